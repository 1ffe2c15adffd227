-- Counts how queues stand. What is claimed is counted by the tags in `unacked_index`: ours name their queue,
-- a Python worker's needs a look at the end of its value. At most `depth` entries are looked through, those
-- in hand before those that wait for a far time.
-- A message does not tell when it was pushed: the age of what is served next counts from when it was first seen
-- in that place, by this script.
-- KEYS: unacked_index, unacked, heads, then for each queue its four lists, its delayed set and its sorted set.
-- ARGV: clock offset, depth, the queues' names.
-- Answer: for each queue ready, delayed, claimed, and microseconds of age or -1; ready is -1 for a queue one of whose
--       keys is of another type than it should be.
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

-- How long the same message has been next in a list.
local function age(list)
  local head = redis.call('LINDEX', list, -1)
  if not head then
    redis.call('HDEL', KEYS[3], list)
    return -1
  end
  local mark = redis.sha1hex(head)
  local since = string.match(redis.call('HGET', KEYS[3], list) or '', '^' .. mark .. ' (%d+)$')
  if not since then
    since = string.format('%.0f', now * 1000000)
    redis.call('HSET', KEYS[3], list, mark .. ' ' .. since)
    redis.call('EXPIRE', KEYS[3], 86400)
  end
  return math.max(0, now * 1000000 - tonumber(since))
end

local function count(at)
  local first = 4 + (at - 3) * 6
  local ready, oldest = 0, -1
  for list = first, first + 3 do
    ready = ready + redis.call('LLEN', KEYS[list])
    oldest = math.max(oldest, age(KEYS[list]))
  end
  local all = redis.call('ZCARD', KEYS[first + 4])
  local due = all > 0 and redis.call('ZCOUNT', KEYS[first + 4], '-inf', upto) or 0
  -- What is sorted waits like what is delayed; a few may have gone another way since.
  local sorted = math.min(all - due, redis.call('ZCARD', KEYS[first + 5]))
  return { ready + due + sorted, all - due - sorted, claimed[ARGV[at]] or 0, oldest }
end

local answer = {}
for at = 3, #ARGV do
  local ok, counted = pcall(count, at)
  if not ok then
    if not misfit(counted) then error(counted) end
    counted = { -1, 0, 0, -1 }
  end
  for _, number in ipairs(counted) do answer[#answer + 1] = number end
end
return answer
