-- Claims the key of a unique task and publishes its messages, in one step: both, or neither.
--
-- KEYS: unacked, unacked_index, the key; then for each message its list or its delayed set.
-- ARGV: clock offset, the task's id, milliseconds that the key is kept, 'replace' or '', the id of a holder that has
--       ended or '', what the names of called-off tasks begin with, milliseconds that these are kept; then the messages.
-- Answer: 'ours', 'replaced' or 'held', and who held it: `w<id>` of one that waits, `r<id>` of one that runs.
local unique, id, keep, replace, over = KEYS[3], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local standing = redis.call('GET', unique)
local holder = standing and string.sub(standing, 2)
-- Told again because our answer was lost.
if holder == id then return { 'ours', '' } end
local answer = 'ours'
if holder and holder ~= over then
  if replace ~= 'replace' or string.sub(standing, 1, 1) == 'r' then return { 'held', standing } end
  answer = 'replaced'
end
-- First, because they can fail half-way (a name may be taken by a key of another type): then nothing is claimed.
put(KEYS[1], KEYS[2], ARGV[1], 4, 8)
redis.call('SET', unique, 'w' .. id, 'PX', keep)
if answer == 'replaced' then redis.call('SET', ARGV[6] .. holder, '1', 'PX', ARGV[7]) end
return { answer, standing or '' }
