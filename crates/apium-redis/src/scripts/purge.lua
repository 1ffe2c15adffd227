-- Throws away what waits in a queue, a bounded part of the delayed ones a call.
-- KEYS: unacked, unacked_index, the delayed set, the sorted set, the lists. ARGV: at most so many delayed ones.
-- Answer: how many, and how many delayed ones are left.
for i = 3, #KEYS do
  local kind, wanted = redis.call('TYPE', KEYS[i]).ok, i <= 4 and 'zset' or 'list'
  if kind ~= wanted and kind ~= 'none' then
    return redis.error_reply('WRONGTYPE the key `' .. KEYS[i] .. '` is a ' .. kind .. ', not a ' .. wanted)
  end
end

local gone = 0
for i = 5, #KEYS do
  gone = gone + redis.call('LLEN', KEYS[i])
  redis.call('UNLINK', KEYS[i])
end
for _, tag in ipairs(redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[1]) - 1)) do
  gone = gone + redis.call('HDEL', KEYS[1], tag)
  redis.call('ZREM', KEYS[2], tag)
  redis.call('ZREM', KEYS[3], tag)
  redis.call('ZREM', KEYS[4], tag)
end
return { gone, redis.call('ZCARD', KEYS[3]) }
