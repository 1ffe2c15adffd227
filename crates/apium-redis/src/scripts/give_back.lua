-- Puts back what a claim took whose answer nobody heard: at the front of the lists it came from, the first ahead, as if
-- it had never been taken.
-- KEYS: unacked, unacked_index, then the lists.
-- ARGV: how the tags begin, the first tag's number, how many numbers, then for each list how its tags end and how its
--       values in unacked end.
-- Answer: how many.
local unacked, index = KEYS[1], KEYS[2]
local first, given = tonumber(ARGV[2]), 0
-- Deletes nothing: so a Redis that is full takes what follows, which only moves messages (see `renew.lua`).
redis.call('HDEL', unacked, '')
for number = first + tonumber(ARGV[3]) - 1, first, -1 do
  for place = 1, #KEYS - 2 do
    local tag = ARGV[1] .. string.format('%d', number) .. ARGV[2 * place + 2]
    local value = redis.call('HGET', unacked, tag)
    if value then
      -- Before it is removed: the list's name may be taken by a key of another type by now.
      redis.call('RPUSH', KEYS[place + 2], string.sub(value, 2, -(#ARGV[2 * place + 3] + 1)))
      redis.call('HDEL', unacked, tag)
      redis.call('ZREM', index, tag)
      given = given + 1
    end
  end
end
return given
