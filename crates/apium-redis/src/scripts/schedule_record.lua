-- Writes what was decided of entries of schedules, and publishes what that sends.
-- KEYS: leader, states, versions, history, unacked, unacked_index, then for each message its list or delayed set.
-- ARGV: clock offset, the term that must lead or '', the most lines of history, then for each decision: name, version,
--       state, how many lines, these, how many messages, these as `put.lua` reads them.
-- Answer: for each the entry's new version, or 0 when the entry was changed; -1 for all when another leads.
local leader, states, versions, history = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local next_arg, next_key = 3, 6
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[1])
local leads = ARGV[2] == '' or redis.call('HGET', leader, 'term') == ARGV[2]

local function publish(left, key, bytes, tag)
  if left == 'now' then return redis.call('LPUSH', key, bytes) end
  local due = string.format('%.6f', now + tonumber(left))
  redis.call('HSET', KEYS[5], tag, bytes)
  redis.call('ZADD', KEYS[6], due, tag)
  redis.call('ZADD', key, due, tag)
end

local answer = {}
while next_arg < #ARGV do
  local name, version, state = arg(), arg(), arg()
  local standing = redis.call('HGET', states, name)
  local holds = leads and standing and string.match(standing, '^(%d+) ') == version
  for _ = 1, tonumber(arg()) do
    local line = arg()
    if holds then redis.call('LPUSH', history, line) end
  end
  for _ = 1, tonumber(arg()) do
    next_key = next_key + 1
    local left, bytes = arg(), arg()
    local tag = left ~= 'now' and arg() or nil
    if holds then publish(left, KEYS[next_key], bytes, tag) end
  end
  local told = leads and 0 or -1
  if holds then
    told = redis.call('INCR', versions)
    redis.call('HSET', states, name, string.format('%d', told) .. ' ' .. state)
  end
  answer[#answer + 1] = told
end
if leads then redis.call('LTRIM', history, 0, tonumber(ARGV[3]) - 1) end
return answer
