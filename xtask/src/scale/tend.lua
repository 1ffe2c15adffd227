-- Tells how many messages wait, and adds as many as are missing, all made after one that was sent.
-- KEYS: the queues. ARGV: how many are to wait, how many to add at most, the first one's number, then the message cut
--       wherever its id stands.
-- Answer: how many waited, how many were added, how many commands that took, and, where any were added, what INFO told of
--         Redis's time before and after.
local depth, calls = 0, #KEYS
for _, list in ipairs(KEYS) do depth = depth + redis.call('LLEN', list) end
local missing = math.min(tonumber(ARGV[1]) - depth, tonumber(ARGV[2]))
if missing <= 0 then return { depth, 0, calls } end
local before = redis.call('INFO', 'cpu')
local parts, number = { unpack(ARGV, 4) }, tonumber(ARGV[3])
local added, each = 0, math.ceil(missing / #KEYS)
for _, list in ipairs(KEYS) do
  local messages = {}
  for at = 1, each do
    messages[#messages + 1] = table.concat(parts, string.format('00000000-0000-4000-8000-%012d', number + added))
    added = added + 1
    if #messages == 1000 or at == each then
      redis.call('LPUSH', list, unpack(messages))
      messages, calls = {}, calls + 1
    end
  end
end
return { depth, added, calls + 2, before, redis.call('INFO', 'cpu') }
