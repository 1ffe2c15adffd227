-- Notes that a worker lives until its time to live has passed on the server's own clock.
-- KEYS: workers, cards, whose claims these are. ARGV: clock offset, time to live in seconds, instance, card, name, 1 if
-- that is to be said again.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
-- Deletes nothing: a Redis that is full would refuse a script whose first write could take memory (see `renew.lua`).
redis.call('HDEL', KEYS[2], '')
redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[3])
local new = redis.call('HSET', KEYS[2], ARGV[3], ARGV[4]) == 1
-- For a week after it was last said: as long as deaths are remembered.
if new or ARGV[6] == '1' then redis.call('SET', KEYS[3], ARGV[5], 'EX', 604800) end
return 1
