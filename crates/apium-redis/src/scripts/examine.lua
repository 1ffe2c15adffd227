-- Looks at messages and writes nothing: at both ends of lists, and at the oldest and the newest of what is held.
-- KEYS: unacked, unacked_index, workers, cards, dead, then lists.
-- ARGV: clock offset, at most so many from each end, the most bytes of a message that are read.
-- Answer: the time, the cards of the living, how many are dead letters, entries of unacked without a place in its
--         index; then what is held (tag, score, size, text or '') and what waits (place of its list, 0, size, text or '').
local time = redis.call('TIME')
local now = string.format('%.6f', tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1]))
local few, most = tonumber(ARGV[2]), tonumber(ARGV[3])

-- A key of another type holds nothing for us.
local function read(...)
  local found = redis.pcall(...)
  if type(found) == 'table' and found.err then return nil end
  return found
end

local function text(of)
  return #of <= most and of or ''
end

local held, seen = {}, {}
local function hold(page)
  for i = 1, #page, 2 do
    local tag = page[i]
    if not seen[tag] then
      seen[tag] = true
      local value = read('HGET', KEYS[1], tag)
      if value then
        for _, field in ipairs({ tag, page[i + 1], tostring(#value), text(value) }) do held[#held + 1] = field end
      end
    end
  end
end
hold(read('ZRANGE', KEYS[2], 0, few - 1, 'WITHSCORES') or {})
hold(read('ZREVRANGE', KEYS[2], 0, few - 1, 'WITHSCORES') or {})

local waiting = {}
for place = 6, #KEYS do
  local length = read('LLEN', KEYS[place]) or 0
  -- The newest first, in one as in the other.
  local ends = { { 0, math.min(few, length) - 1 } }
  if length > few then ends[2] = { math.max(few, length - few), length - 1 } end
  for _, part in ipairs(length > 0 and ends or {}) do
    for _, message in ipairs(read('LRANGE', KEYS[place], part[1], part[2]) or {}) do
      for _, field in ipairs({ tostring(place - 6), '0', tostring(#message), text(message) }) do
        waiting[#waiting + 1] = field
      end
    end
  end
end

local cards = {}
for _, name in ipairs(read('ZRANGEBYSCORE', KEYS[3], now, '+inf', 'LIMIT', 0, 1000) or {}) do
  cards[#cards + 1] = read('HGET', KEYS[4], name) or nil
end
local orphans = (read('HLEN', KEYS[1]) or 0) - (read('ZCARD', KEYS[2]) or 0)
return { now, cards, read('ZCARD', KEYS[5]) or 0, math.max(orphans, 0), held, waiting }
