-- Finds what nobody works on any more, without touching it: everything whose visibility timeout has passed,
-- and tags of ours whose own moment (end of the lease, or due time) has passed.
-- KEYS: unacked_index, unacked.
-- ARGV: clock offset, visibility timeout in seconds, at most so many lost and so many that came due, how many entries to look through.
-- Answer: the time, then for each its tag, its score and its value ('' when there is none).
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local upto = string.format('%.6f', now)
local old = string.format('%.6f', now - tonumber(ARGV[2]))
local max, depth = tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, found, due = { upto }, 0, 0

local function take(tag, score)
  answer[#answer + 1] = tag
  answer[#answer + 1] = score
  answer[#answer + 1] = redis.call('HGET', KEYS[2], tag) or ''
end

-- Newest first, and ours stand among the deliveries of Python workers, whose score is when they began. What came
-- due has room of its own: however much of it there is, lost deliveries do not wait behind it.
local from = 0
while found < max and from < depth do
  local page = redis.call('ZREVRANGEBYSCORE', KEYS[1], upto, '(' .. old, 'WITHSCORES', 'LIMIT', from, 1000)
  for i = 1, #page, 2 do
    if string.sub(page[i], 1, 6) == 'apium:' then
      if found < max then
        take(page[i], page[i + 1])
        found = found + 1
      end
    elseif due < max and string.sub(page[i], 1, 14) == 'apium-delayed:' then
      take(page[i], page[i + 1])
      due = due + 1
    end
  end
  if #page < 2000 then break end
  from = from + 1000
end
if found < max then
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', old, 'WITHSCORES', 'LIMIT', 0, max - found)
  for i = 1, #page, 2 do take(page[i], page[i + 1]) end
end
return answer
