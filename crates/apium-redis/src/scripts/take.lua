-- Claims sorted messages by their turns, as claim.lua claims those that are not sorted.
-- KEYS: unacked, unacked_index, redelivered, deaths, then for each queue its delayed set, its sorted set, what its shares
--       have reached, the turn served last.
-- ARGV: clock offset, at most so many, lease in seconds, how the tags begin, the first tag's number, then for each queue
--       its name and the ending of its values in `unacked`.
-- Answer: for each message the place of its queue, its step, 1 if it was handed out before, the message, and whose lease
--       on it ran out.
local unacked, index, redelivered, deaths = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local left, number = tonumber(ARGV[2]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local until_then = string.format('%.6f', now + tonumber(ARGV[3]))
-- Deletes nothing: so a Redis that is full takes what follows, which only moves messages (see `renew.lua`).
redis.call('HDEL', unacked, '')

local answer = {}
local function claim(place, waits_as, value, ending)
  local step = string.match(waits_as, '^[^:]*:[^:]*:[^:]*:(%d+):') or '0'
  local tag = ARGV[4] .. string.format('%d', number) .. ':' .. step .. ':' .. ARGV[4 + 2 * place]
  local message = string.sub(value, 2, -(#ending + 1))
  number, left = number + 1, left - 1
  redis.call('HSET', unacked, tag, value)
  redis.call('ZADD', index, until_then, tag)
  redis.call('HDEL', unacked, waits_as)
  redis.call('ZREM', index, waits_as)
  local before = redis.pcall('ZREM', redelivered, redis.sha1hex(message))
  local died = redis.pcall('HGET', deaths, redis.sha1hex(value))
  for _, field in ipairs({ place, tonumber(step), before == 1 and 1 or 0, message }) do answer[#answer + 1] = field end
  answer[#answer + 1] = type(died) == 'string' and died or ''
end

for place = 1, (#KEYS - 4) / 4 do
  local delayed, sorted = KEYS[4 * place + 1], KEYS[4 * place + 2]
  local reached, served = KEYS[4 * place + 3], KEYS[4 * place + 4]
  local last, looks = nil, 0
  -- Some may have gone another way since they were sorted; a bounded number of them is looked at.
  while left > 0 and looks < 1000 do
    local found = redis.call('ZRANGE', sorted, 0, left - 1, 'WITHSCORES')
    if #found == 0 then break end
    for at = 1, #found, 2 do
      local waits_as = found[at]
      local value = redis.call('ZREM', delayed, waits_as) == 1 and redis.call('HGET', unacked, waits_as)
      redis.call('ZREM', sorted, waits_as)
      if value then claim(place, waits_as, value, ARGV[5 + 2 * place]) end
      last, looks = found[at + 1], looks + 1
    end
  end
  if last then
    if tonumber(last) > tonumber(redis.call('GET', served) or '0') then redis.call('SET', served, last) end
    redis.call('ZREMRANGEBYSCORE', reached, '-inf', redis.call('GET', served) or '0')
  end
end
return answer
