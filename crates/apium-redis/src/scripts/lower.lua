-- Lets leases that reach further ahead than they can, because the clock was set back, begin now. Idempotent.
-- KEYS: unacked_index. ARGV: clock offset, then for each its tag and how many seconds its holder asks for.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
-- Takes no memory and deletes nothing: see `renew.lua`.
redis.call('ZREM', KEYS[1], '')
for at = 2, #ARGV, 2 do
  local score, ends = redis.call('ZSCORE', KEYS[1], ARGV[at]), now + tonumber(ARGV[at + 1])
  if score and tonumber(score) > ends then redis.call('ZADD', KEYS[1], 'XX', string.format('%.6f', ends), ARGV[at]) end
end
return 1
