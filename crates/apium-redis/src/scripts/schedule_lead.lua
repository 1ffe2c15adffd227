-- Becomes leader of the schedulers if nobody leads, or in place of one that has not renewed since it was seen.
-- KEYS: leader, terms. ARGV: name, term and renewals of who was seen, or '' and ''.
-- Answer: who leads now: term, renewals, name.
local term, renewed, name = unpack(redis.call('HMGET', KEYS[1], 'term', 'renewed', 'name'))
if not term or (term == ARGV[2] and renewed == ARGV[3]) then
  term, renewed, name = string.format('%d', redis.call('INCR', KEYS[2])), '0', ARGV[1]
  redis.call('HSET', KEYS[1], 'term', term, 'renewed', renewed, 'name', name)
end
return { term, renewed, name }
