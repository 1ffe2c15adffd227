-- Puts back what was found overdue, each only if its score is still the one that was seen: a lease renewed
-- meanwhile, a settlement or a peer's own sweep makes it nothing of ours.
-- KEYS: unacked_index, unacked, redelivered, deaths, when they were; then as they come below.
-- ARGV: clock offset, for how many seconds to leave alone what cannot be put back, the most deaths of a message, how
--   many; then for each: tag,
--   score, what to do:
--   `restore` 1 or 0 (remember that it came back), message, whose death it is (`` for none, `=` for the name in the key
--     that comes first), number of lists (their names in KEYS), for each how its values in unacked end;
--   `postpone` (one that cannot be read).
-- Answer: for each 1 put back, 0 nothing to put back, -1 cannot be put back.
local next_key, next_arg = 5, 0
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end
local index, unacked, redelivered, deaths, deaths_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(arg())
local later = string.format('%.6f', now + tonumber(arg()))
local most = tonumber(arg())

-- Whether all of so many lists can be pushed to; a name may be taken by a key of another type.
local function fit(lists)
  for at = 1, lists do
    local kind = redis.call('TYPE', KEYS[next_key + at]).ok
    if kind ~= 'list' and kind ~= 'none' then return false end
  end
  return true
end

-- Of a hundred thousand messages: the oldest make room.
local function forget_old_deaths()
  local old = redis.pcall('ZRANGEBYSCORE', deaths_at, '-inf', string.format('%.6f', now - 604800), 'LIMIT', 0, 1000)
  local many = redis.pcall('ZRANGE', deaths_at, 0, -100001)
  for _, names in ipairs({ old, many }) do
    for _, name in ipairs(names) do
      redis.pcall('HDEL', deaths, name)
      redis.pcall('ZREM', deaths_at, name)
    end
  end
end

-- Deletes nothing: so a Redis that is full takes what follows, which only moves messages (see `renew.lua`).
redis.call('HDEL', unacked, '')

local answer = {}
for i = 1, tonumber(arg()) do
  local tag, score, verb = arg(), arg(), arg()
  local mine = redis.call('ZSCORE', index, tag) == score
  local remember, message, who, lists, endings = false, nil, '', 0, {}
  if verb == 'restore' then
    remember, message, who, lists = arg() == '1', arg(), arg(), tonumber(arg())
    for at = 1, lists do endings[at] = arg() end
    if who == '=' then
      next_key = next_key + 1
      who = redis.call('GET', KEYS[next_key]) or 'a worker that had not told its name'
    end
  end
  answer[i] = 0
  if mine and (verb == 'postpone' or not fit(lists)) then
    redis.call('ZADD', index, 'XX', later, tag)
    answer[i] = -1
  elseif mine then
    if remember then
      redis.call('ZADD', redelivered, string.format('%.6f', now), redis.sha1hex(message))
      redis.call('ZREMRANGEBYSCORE', redelivered, '-inf', string.format('%.6f', now - 86400))
      redis.call('EXPIRE', redelivered, 86400)
    end
    for at = 1, lists do
      if who ~= '' then
        note_death(deaths, deaths_at, '[' .. message .. endings[at], who, most, string.format('%.6f', now))
      end
      redis.call('RPUSH', KEYS[next_key + at], message)
    end
    -- Last, because all before it can fail half-way: better twice than lost.
    redis.call('HDEL', unacked, tag)
    redis.call('ZREM', index, tag)
    if lists > 0 then answer[i] = 1 end
  end
  next_key = next_key + lists
end
forget_old_deaths()
return answer
