-- What was put or dropped after an edition.
-- KEYS: entries, states, changes. ARGV: edition, at most so many.
-- Answer: for each its edition, name, entry or '', and version and state or ''.
local answer = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for at = 1, #found, 2 do
  local name = found[at]
  for _, field in ipairs({
    found[at + 1],
    name,
    redis.call('HGET', KEYS[1], name) or '',
    redis.call('HGET', KEYS[2], name) or '',
  }) do
    answer[#answer + 1] = field
  end
end
return answer
