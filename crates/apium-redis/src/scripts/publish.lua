-- Publishes messages of which some wait for their time, all in one step. What is due in so many seconds by the
-- sender's clock is due in as many by the server's, whatever the two clocks say.
--
-- KEYS: unacked, unacked_index; then for each message its list or its delayed set.
-- ARGV: clock offset; then for each message 'now' and its bytes, or the seconds left, its value in unacked and
--       its tag.
local unacked, index = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local next_arg = 2
for at = 3, #KEYS do
  local left, bytes = ARGV[next_arg], ARGV[next_arg + 1]
  if left == 'now' then
    redis.call('LPUSH', KEYS[at], bytes)
    next_arg = next_arg + 2
  else
    local tag = ARGV[next_arg + 2]
    local due = string.format('%.6f', now + tonumber(left))
    redis.call('HSET', unacked, tag, bytes)
    redis.call('ZADD', index, due, tag)
    redis.call('ZADD', KEYS[at], due, tag)
    next_arg = next_arg + 3
  end
end
return #KEYS - 2
