-- Calls a task off. The cursor is the server's time in microseconds, pushed up where needed so that it always
-- rises: unlike a counter it also rises across a Redis that came back empty, so a worker never waits for a
-- number that was already given.
-- KEYS: revoked, revoked until. ARGV: clock offset, keep in seconds, id.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local cursor = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1]) * 1000000
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] and tonumber(last[2]) >= cursor then cursor = tonumber(last[2]) + 1 end
redis.call('ZADD', KEYS[1], string.format('%.0f', cursor), ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[3])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now), 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
return 1
