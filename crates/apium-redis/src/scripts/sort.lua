-- Gives claimed messages of a shared queue their turns. They wait in `unacked` like those that are delayed, so that they
-- come back to their queue should nobody be left who serves by turns.
-- KEYS: unacked, unacked_index, redelivered, limits, the queue's delayed set, its sorted set, what its shares have
--       reached, the turn served last.
-- ARGV: clock offset, seconds that they wait at most, how far turns lie apart, the length of the ending of the queue's
--       values in `unacked`, then for each: the claim's tag, the tag under which it is to wait, share, weight, 1 if its turn is next, 1 if it was handed out before, the task's id, how
--       many limits, these.
-- Answer: for each 1 sorted, 0 when the claim was lost.
local unacked, index, redelivered, delayed, sorted, reached = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6], KEYS[7]
local next_arg = 4
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end
-- Deletes nothing: so a Redis that is full takes what follows, which only moves messages (see `renew.lua`).
redis.call('HDEL', unacked, '')
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local due = string.format('%.6f', now + tonumber(ARGV[2]))
local served = tonumber(redis.call('GET', KEYS[8]) or '0')
limits.open(KEYS[4], unacked, index, now)

local answer = {}
while next_arg < #ARGV do
  local tag, waits_as, share, weight = arg(), arg(), arg(), tonumber(arg())
  local is_next, before, id = arg() == '1', arg() == '1', arg()
  for _ = 1, tonumber(arg()) do
    local _, called = limits.standing(arg(), id)
    is_next = is_next or called
  end
  local value = redis.call('HGET', unacked, tag)
  if value then
    local turn = served - 1
    if not is_next then
      turn = math.max(served, tonumber(redis.call('ZSCORE', reached, share) or '0'))
      local apart = math.max(1, math.floor(tonumber(ARGV[3]) / weight))
      redis.call('ZADD', reached, string.format('%.0f', turn + apart), share)
    end
    redis.call('HSET', unacked, waits_as, value)
    redis.call('ZADD', index, due, waits_as)
    redis.call('ZADD', delayed, due, waits_as)
    redis.call('ZADD', sorted, string.format('%.0f', turn), waits_as)
    if before then
      redis.call('ZADD', redelivered, string.format('%.6f', now), redis.sha1hex(string.sub(value, 2, -(tonumber(ARGV[4]) + 1))))
      redis.call('EXPIRE', redelivered, 86400)
    end
    redis.call('HDEL', unacked, tag)
    redis.call('ZREM', index, tag)
  end
  answer[#answer + 1] = value and 1 or 0
end
return answer
