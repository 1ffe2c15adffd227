-- Tells that the leader of a term is alive, or gives its lead up.
-- KEYS: leader. ARGV: term, 'renew' or 'resign'.
-- Answer: 1, or 0 when it leads no more.
if redis.call('HGET', KEYS[1], 'term') ~= ARGV[1] then return 0 end
if ARGV[2] == 'renew' then redis.call('HINCRBY', KEYS[1], 'renewed', 1) else redis.call('DEL', KEYS[1]) end
return 1
