-- Takes a place with every limit of a message that is about to be attempted; or, when one has none, puts the message
-- back, into the line of that one, and takes none.
-- KEYS: unacked, unacked_index, limits, the queue's delayed set, the key of a unique task (or what is none).
-- ARGV: clock offset, the claim's tag, the tag under which it is to wait, the task's id, seconds after which it is looked
--       at again, and for each that waits, 'keep' or 'release' or '', milliseconds to keep, the limits.
-- Answer: the limit in whose line it stands, or '' when it was admitted, and milliseconds that it waits at most; nothing
--       when the claim was lost.
local unacked, index, delayed, unique = KEYS[1], KEYS[2], KEYS[4], KEYS[5]
local tag, waits_as, id = ARGV[2], ARGV[3], ARGV[4]
if redis.call('HEXISTS', unacked, tag) == 0 then return {} end
-- Takes no memory, as the first write of a script must where there is none left: see settle.lua.
redis.call('HDEL', unacked, '')
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
limits.open(KEYS[3], unacked, index, now)

local since, refused, set = now, nil, {}
for at = 9, #ARGV do
  local name = ARGV[at]
  local stood, called = limits.standing(name, id)
  if stood and stood < since then since = stood end
  local limit = limits.definition(name)
  -- Asked once more because our answer was lost, it has its places already.
  if limit and not limits.holds(name, tag) then
    if not refused then
      local when = limits.turn(name, limit, called and 0 or limits.called(name))
      if not when or when > now + limits.lost then refused = name end
    end
    set[name] = limit
  end
  if stood then limits.leave(name, id) end
end

local at_most = 0
if not refused then
  for name, limit in pairs(set) do limits.start(name, limit, tag) end
else
  local waiting = redis.call('HLEN', limits.at('waiting', refused))
  at_most = math.max(tonumber(ARGV[5]), waiting * tonumber(ARGV[6]))
  local due = string.format('%.6f', now + at_most)
  redis.call('HSET', unacked, waits_as, redis.call('HGET', unacked, tag))
  redis.call('ZADD', index, due, waits_as)
  redis.call('ZADD', delayed, due, waits_as)
  limits.join(refused, id, since, waits_as)
  if ARGV[7] ~= '' then
    local standing = redis.pcall('GET', unique)
    if type(standing) == 'string' and string.sub(standing, 2) == id then
      if ARGV[7] == 'keep' then
        redis.call('SET', unique, 'w' .. id, 'PX', math.ceil(tonumber(ARGV[8]) + at_most * 1000))
      else
        redis.call('DEL', unique)
      end
    end
  end
  redis.call('HDEL', unacked, tag)
  redis.call('ZREM', index, tag)
end
for at = 9, #ARGV do limits.call(ARGV[at]) end
return { refused or '', math.ceil(at_most * 1000) }
