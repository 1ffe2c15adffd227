-- Makes sorted messages due, so that they come back to their queue, by turns: a bounded number a call.
-- KEYS: unacked_index, the queue's delayed set, its sorted set, what its shares have reached, the turn served last.
-- ARGV: clock offset, at most so many.
-- Answer: how many, and how many are left.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local unsorted = 0
for at, tag in ipairs(redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[2]) - 1)) do
  -- In their order; all of it lies in the past.
  local due = string.format('%.6f', now - 1 + at / 1000000)
  if redis.call('ZSCORE', KEYS[2], tag) then
    redis.call('ZADD', KEYS[2], due, tag)
    redis.call('ZADD', KEYS[1], 'XX', due, tag)
    unsorted = unsorted + 1
  end
  redis.call('ZREM', KEYS[3], tag)
end
local left = redis.call('ZCARD', KEYS[3])
if left == 0 then redis.call('DEL', KEYS[4], KEYS[5]) end
return { unsorted, left }
