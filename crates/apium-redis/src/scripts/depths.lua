-- Counts how queues stand. What is claimed is counted by the tags in `unacked_index`: ours name their queue,
-- a Python worker's needs a look at the end of its value. At most `depth` entries are looked through, those
-- in hand before those that wait for a far time.
-- KEYS: unacked_index, unacked, then for each queue its four lists and its delayed set.
-- ARGV: clock offset, depth, the queues' names. Answer: for each queue ready, delayed, claimed.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local upto = string.format('%.6f', now)

local claimed = {}
for _, tag in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[2]) - 1)) do
  local queue = nil
  if string.sub(tag, 1, 6) == 'apium:' then
    queue = string.match(tag, '^[^:]*:[^:]*:[^:]*:%d+:(.*)$')
  elseif string.sub(tag, 1, 14) ~= 'apium-delayed:' then
    local value = redis.call('HGET', KEYS[2], tag)
    queue = value and string.match(value, '"([^"\\]*)"%s*%]$')
  end
  if queue then claimed[queue] = (claimed[queue] or 0) + 1 end
end

local answer = {}
for at = 3, #ARGV do
  local first = 3 + (at - 3) * 5
  local ready = 0
  for list = first, first + 3 do ready = ready + redis.call('LLEN', KEYS[list]) end
  local all = redis.call('ZCARD', KEYS[first + 4])
  local due = all > 0 and redis.call('ZCOUNT', KEYS[first + 4], '-inf', upto) or 0
  answer[#answer + 1] = ready + due
  answer[#answer + 1] = all - due
  answer[#answer + 1] = claimed[ARGV[at]] or 0
end
return answer
