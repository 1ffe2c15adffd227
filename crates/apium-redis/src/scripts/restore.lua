-- Puts back what was found overdue, each only if its score is still the one that was seen: a lease renewed
-- meanwhile, a settlement or a peer's own sweep makes it nothing of ours. Answers 1 or 0 for each.
-- KEYS: unacked_index, unacked, redelivered; then as they come below.
-- ARGV: clock offset, how many; then for each: tag, score, what to do:
--   `restore` 1 or 0 (remember that it came back), message, number of lists (their names in KEYS);
--   `postpone` seconds from now (one that cannot be read: look at it again then).
local next_key, next_arg = 3, 0
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end
local index, unacked, redelivered = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(arg())

local answer = {}
for i = 1, tonumber(arg()) do
  local tag, score, verb = arg(), arg(), arg()
  local mine = redis.call('ZSCORE', index, tag) == score
  if verb == 'postpone' then
    local later = string.format('%.6f', now + tonumber(arg()))
    if mine then redis.call('ZADD', index, 'XX', later, tag) end
    answer[i] = 0
  else
    local remember, message, lists = arg() == '1', arg(), tonumber(arg())
    if mine then
      if remember then
        redis.call('ZADD', redelivered, string.format('%.6f', now), redis.sha1hex(message))
        redis.call('ZREMRANGEBYSCORE', redelivered, '-inf', string.format('%.6f', now - 86400))
        redis.call('EXPIRE', redelivered, 86400)
      end
      for at = 1, lists do redis.call('RPUSH', KEYS[next_key + at], message) end
      -- Last, because all before it can fail half-way: better twice than lost.
      redis.call('HDEL', unacked, tag)
      redis.call('ZREM', index, tag)
    end
    next_key = next_key + lists
    answer[i] = (mine and lists > 0) and 1 or 0
  end
end
return answer
