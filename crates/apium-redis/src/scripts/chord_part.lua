-- Counts one part of a chord, once however often it is told, and claims the body for whoever told the last one.
-- The keys, their members and their meaning are those of Celery 5.7, so that its workers and ours count the same
-- chord; those of 5.6 count in the same keys without the two last.
--
-- KEYS: parts, added, size, counted, group record, claim.
-- ARGV: the part's place, its member in the parts, its name in counted, seconds to keep, seconds to claim, token.
-- Answer: 'waiting', 'claimed' by another, 'sent', or 'complete' and all parts in their order.
local parts, added, size, counted, group, claim = unpack(KEYS)
local place, member, name, keep, span, token = unpack(ARGV)
if redis.call('GET', claim) == 'done' then return {'sent'} end

-- Celery keeps parts in a list where its `result_chord_ordered` is off.
local ordered = redis.call('TYPE', parts)['ok'] ~= 'list'
if redis.call('SISMEMBER', counted, name) == 0 then
  if ordered then
    redis.call('ZADD', parts, place, member)
  else
    redis.call('RPUSH', parts, member)
  end
  redis.call('SADD', counted, name)
end
for _, key in ipairs({ parts, added, size, counted, group }) do redis.call('EXPIRE', key, keep) end

local told = redis.call('GET', size)
local ended = ordered and redis.call('ZCARD', parts) or redis.call('LLEN', parts)
if not told or ended ~= tonumber(told) + tonumber(redis.call('GET', added) or 0) then return {'waiting'} end
-- Who asks again, because our answer was lost, still has what it claimed.
local holder = redis.call('GET', claim)
if holder and holder ~= token then return {'claimed'} end
redis.call('SET', claim, token, 'EX', span)
local answer = ordered and redis.call('ZRANGE', parts, 0, -1) or redis.call('LRANGE', parts, 0, -1)
table.insert(answer, 1, 'complete')
return answer
