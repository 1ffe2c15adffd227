-- Calls whoever has a turn where nothing else has done so, and forgets what is not used any more.
-- KEYS: limits, unacked, unacked_index. ARGV: clock offset, 1 if the turns of those who were called are to be reckoned anew.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
limits.open(KEYS[1], KEYS[2], KEYS[3], now)
for _, name in ipairs(redis.call('SRANDMEMBER', KEYS[1] .. ':lines', 1000)) do
  if ARGV[2] == '1' then limits.recall(name) end
  limits.call(name)
end
local used = KEYS[1] .. ':used'
local unused = redis.call('ZRANGEBYSCORE', used, '-inf', string.format('%.6f', now - 3600), 'LIMIT', 0, 1000)
for _, name in ipairs(unused) do
  if limits.running(name, 0) > 0 or redis.call('EXISTS', limits.at('starts', name)) == 1 then
    -- In use for as long as something of it counts; it is looked at again behind all others.
    limits.used(name)
  else
    redis.call('ZREM', used, name)
  end
end
return 1
