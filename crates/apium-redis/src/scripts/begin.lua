-- A unique task begins an attempt; 0 when it was called off for a newer one.
-- KEYS: the key, the mark of a called-off task. ARGV: the task's id, 'release', 'hold' or 'note', milliseconds to hold.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
-- There is none: so a Redis that is full takes what follows (see `renew.lua`).
redis.call('DEL', KEYS[2])
-- A key of another type is nobody's.
local standing = redis.pcall('GET', KEYS[1])
if type(standing) == 'table' then return 1 end
local ours = standing and string.sub(standing, 2) == ARGV[1]
if ARGV[2] == 'hold' and (ours or not standing) then
  redis.call('SET', KEYS[1], 'r' .. ARGV[1], 'PX', ARGV[3])
elseif ARGV[2] == 'release' and ours then
  redis.call('DEL', KEYS[1])
elseif ARGV[2] == 'note' and ours then
  redis.call('SET', KEYS[1], 'r' .. ARGV[1], 'KEEPTTL')
end
return 1
