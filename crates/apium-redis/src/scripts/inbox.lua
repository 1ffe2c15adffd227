-- Binds an inbox, and takes away those whose processes died: nothing else would, because a member of a set does not
-- expire, and a Python worker's answer does not either.
-- KEYS: binding, inboxes. ARGV: clock offset, keep in seconds, member.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
redis.call('SADD', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[3])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now), 'LIMIT', 0, 100)) do
  redis.call('SREM', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
  redis.call('DEL', string.match(member, '\6\22\6\22(.*)$'))
end
return 1
