-- How limits are used.
-- KEYS: limits, unacked, unacked_index. ARGV: clock offset, names.
-- Answer: for each how many hold a place, how many wait, and until when its breaker is open, '' when it is closed; at the
--       end the time.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
limits.open(KEYS[1], KEYS[2], KEYS[3], now)
local answer = {}
for at = 2, #ARGV do
  answer[#answer + 1] = limits.running(ARGV[at], 0)
  answer[#answer + 1] = redis.call('HLEN', limits.at('waiting', ARGV[at]))
  answer[#answer + 1] = redis.call('HGET', limits.at('breaker', ARGV[at]), 'until') or ''
end
answer[#answer + 1] = string.format('%.6f', now)
return answer
