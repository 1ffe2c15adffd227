-- Puts messages into their lists, or aside until they are due, beginning with this key and this argument. What is due
-- in so many seconds by the sender's clock is due in as many by the server's, whatever the two clocks say.
local function put(unacked, index, offset, from_key, from_arg)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(offset)
  local next_arg = from_arg
  for at = from_key, #KEYS do
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
  return #KEYS - from_key + 1
end

