-- Finds what nobody works on any more, without touching it: everything whose visibility timeout has passed,
-- and tags of ours whose own moment (end of the lease, or due time) has passed.
-- KEYS: unacked_index, unacked.
-- ARGV: clock offset, visibility timeout in seconds, at most so many, how many entries to look through.
-- Answer: the time, then for each its tag, its score and its value ('' when there is none).
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local upto = string.format('%.6f', now)
local old = string.format('%.6f', now - tonumber(ARGV[2]))
local max, depth = tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, found = { upto }, 0

local function take(tag, score)
  answer[#answer + 1] = tag
  answer[#answer + 1] = score
  answer[#answer + 1] = redis.call('HGET', KEYS[2], tag) or ''
  found = found + 1
end

-- Newest first, and ours stand among the deliveries of Python workers, whose score is when they began.
local from = 0
while found < max and from < depth do
  local page = redis.call('ZREVRANGEBYSCORE', KEYS[1], upto, '(' .. old, 'WITHSCORES', 'LIMIT', from, 1000)
  for i = 1, #page, 2 do
    local ours = string.sub(page[i], 1, 6) == 'apium:' or string.sub(page[i], 1, 14) == 'apium-delayed:'
    if ours and found < max then take(page[i], page[i + 1]) end
  end
  if #page < 2000 then break end
  from = from + 1000
end
if found < max then
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', old, 'WITHSCORES', 'LIMIT', 0, max - found)
  for i = 1, #page, 2 do take(page[i], page[i + 1]) end
end
return answer
