-- Notes that a worker lives until its time to live has passed on the server's own clock.
-- KEYS: workers, cards. ARGV: clock offset, time to live in seconds, instance, card.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[3])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
return 1
