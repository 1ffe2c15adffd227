-- Puts back what was found overdue, each only if its score is still the one that was seen: a lease renewed
-- meanwhile, a settlement or a peer's own sweep makes it nothing of ours.
-- KEYS: unacked_index, unacked, redelivered; then as they come below.
-- ARGV: clock offset, for how many seconds to leave alone what cannot be put back, how many; then for each: tag,
--   score, what to do:
--   `restore` 1 or 0 (remember that it came back), message, number of lists (their names in KEYS);
--   `postpone` (one that cannot be read).
-- Answer: for each 1 put back, 0 nothing to put back, -1 cannot be put back.
local next_key, next_arg = 3, 0
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end
local index, unacked, redelivered = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(arg())
local later = string.format('%.6f', now + tonumber(arg()))

-- Whether all of so many lists can be pushed to; a name may be taken by a key of another type.
local function fit(lists)
  for at = 1, lists do
    local kind = redis.call('TYPE', KEYS[next_key + at]).ok
    if kind ~= 'list' and kind ~= 'none' then return false end
  end
  return true
end

local answer = {}
for i = 1, tonumber(arg()) do
  local tag, score, verb = arg(), arg(), arg()
  local mine = redis.call('ZSCORE', index, tag) == score
  local remember, message, lists = false, nil, 0
  if verb == 'restore' then
    remember, message, lists = arg() == '1', arg(), tonumber(arg())
  end
  answer[i] = 0
  if mine and (verb == 'postpone' or not fit(lists)) then
    redis.call('ZADD', index, 'XX', later, tag)
    answer[i] = -1
  elseif mine then
    if remember then
      redis.call('ZADD', redelivered, string.format('%.6f', now), redis.sha1hex(message))
      redis.call('ZREMRANGEBYSCORE', redelivered, '-inf', string.format('%.6f', now - 86400))
      redis.call('EXPIRE', redelivered, 86400)
    end
    for at = 1, lists do redis.call('RPUSH', KEYS[next_key + at], message) end
    -- Last, because all before it can fail half-way: better twice than lost.
    redis.call('HDEL', unacked, tag)
    redis.call('ZREM', index, tag)
    if lists > 0 then answer[i] = 1 end
  end
  next_key = next_key + lists
end
return answer
