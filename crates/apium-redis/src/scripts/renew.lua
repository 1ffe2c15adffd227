-- Prolongs leases; answers for each tag 1 if it is still ours, else 0.
-- A lease that ran out but was not restored yet is still ours: nobody else has the message.
-- KEYS: unacked_index. ARGV: clock offset, lease in seconds, the tags.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local score = string.format('%.6f', now + tonumber(ARGV[2]))
local tags = {}
for i = 3, #ARGV do tags[#tags + 1] = ARGV[i] end
local held = redis.call('ZMSCORE', KEYS[1], unpack(tags))
local answer, scores = {}, {}
for i, tag in ipairs(tags) do
  answer[i] = held[i] and 1 or 0
  if held[i] then
    scores[#scores + 1] = score
    scores[#scores + 1] = tag
  end
end
-- A Redis that is full refuses the first write of a script if it could take memory. This one takes none and deletes
-- nothing; a lease that could not be renewed would be run twice.
if #scores > 0 then
  redis.call('ZREM', KEYS[1], '')
  redis.call('ZADD', KEYS[1], 'XX', unpack(scores))
end
return answer
