-- Notes that a worker lives until its time to live has passed on the server's own clock.
-- KEYS: workers, cards, whose claims these are. ARGV: clock offset, time to live in seconds, instance, card, name.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
-- Deletes nothing: a Redis that is full would refuse a script whose first write could take memory (see `renew.lua`).
redis.call('HDEL', KEYS[2], '')
redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[3])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
-- For a week after the last beat: as long as deaths are remembered.
redis.call('SET', KEYS[3], ARGV[5], 'EX', 604800)
return 1
