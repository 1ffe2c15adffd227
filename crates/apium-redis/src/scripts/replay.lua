-- Puts a dead letter's message back into its queue and forgets the letter; 0 when another was faster.
-- KEYS: dead, dead letters, list. ARGV: id, message.
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('LPUSH', KEYS[3], ARGV[2])
return 1
