-- Changes the limits that are set; who waits is reckoned with anew.
-- KEYS: limits, their version, unacked, unacked_index.
-- ARGV: clock offset, then for each: 'declare', 'set' or 'drop', the name, its definition.
-- Answer: how many have changed.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
limits.open(KEYS[1], KEYS[3], KEYS[4], now)

-- A rate may count for longer now than before: what has started is kept for as long. Of a kind, for the values that were
-- used last.
local function keep_started(name)
  local names, kind = { name }, string.match(name, '^([^:=]+=)%*$')
  if kind then names = redis.call('ZREVRANGE', KEYS[1] .. ':used', 0, 999) end
  for _, used in ipairs(names) do
    local limit = (not kind or string.sub(used, 1, #kind) == kind) and limits.definition(used)
    if limit and limit.rate then limits.keep(used, limit.rate) end
  end
end

local changed = {}
for at = 2, #ARGV, 3 do
  local verb, name, definition = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local before = redis.call('HGET', KEYS[1], name)
  if verb == 'drop' then
    if redis.call('HDEL', KEYS[1], name) == 1 then changed[#changed + 1] = name end
  elseif before ~= definition and not (verb == 'declare' and before and cjson.decode(before).origin == 'operator') then
    redis.call('HSET', KEYS[1], name, definition)
    changed[#changed + 1] = name
  end
end
if #changed == 0 then return 0 end
-- Rises also across a Redis that came back empty: see revoke.lua.
local version = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
redis.call('SET', KEYS[2], string.format('%.0f', math.max(version, last + 1)))
-- One that cannot be read keeps no other from holding.
for _, name in ipairs(changed) do pcall(keep_started, name) end
for _, name in ipairs(redis.call('SRANDMEMBER', KEYS[1] .. ':lines', 1000)) do
  limits.recall(name)
  limits.call(name)
end
return #changed
