-- Forgets the parts of a chord whose body was sent, if the claim is still held.
--
-- KEYS: claim, parts, added, size, counted. ARGV: token, seconds for which late parts are told that it is done.
-- Answer: 1 done, 0 the claim is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('SET', KEYS[1], 'done', 'EX', ARGV[2])
return 1
