-- Takes starts from the rate of each of these limits, or none from any. What is kept free for those who were called is
-- not to be had.
-- KEYS: limits, unacked, unacked_index. ARGV: clock offset, how many starts, the limits.
-- Answer: '' and how many more the tightest has, '' where none limits; or which has not so many (of several the one
--       that takes longest), and in how many microseconds it has at the earliest.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
limits.open(KEYS[1], KEYS[2], KEYS[3], now)
local starts = tonumber(ARGV[2])

local left, refused, longest, set = nil, nil, 0, {}
for at = 3, #ARGV do
  local name = ARGV[at]
  local rate = not set[name] and (limits.definition(name) or {}).rate
  if rate then
    set[name] = rate
    limits.bring_back(name, rate)
    local room = limits.left(name, rate, limits.called(name))
    if room < starts then
      local when = limits.paced(name, rate, starts)
      local wait = when and when - now or rate.within
      -- Where only those are in the way who were called: by then they have come, or are no longer waited for.
      if wait <= limits.lost then wait = limits.grace end
      if wait > longest then refused, longest = name, wait end
    end
    left = math.min(left or room, room)
  end
end
if refused then return { refused, string.format('%.0f', math.ceil(longest * 1000000)) } end

if starts > 0 then
  for name, rate in pairs(set) do
    limits.count(name, rate, starts)
    limits.used(name)
    limits.call(name)
  end
end
return { '', left and string.format('%.0f', left - starts) or '' }
