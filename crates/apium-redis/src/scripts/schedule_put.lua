-- Keeps entries of schedules, or drops them.
-- KEYS: entries, states, changes, edition, versions.
-- ARGV: for each 'put', its name, the entry, the version it must be of ('' for any, 0 for none), 1 and its state, or 0
--       and ''; or 'drop' and its name.
-- Answer: for each 1 done, 0 not done.
local entries, states, changes, edition, versions = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local next_arg = 0
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end

local answer = {}
while next_arg < #ARGV do
  local verb, name = arg(), arg()
  local done = false
  local standing = redis.call('HGET', states, name)
  if verb == 'drop' then
    done = redis.call('HDEL', entries, name) == 1
    redis.call('HDEL', states, name)
  else
    local entry, over, with_state, state = arg(), arg(), arg(), arg()
    local version, kept = string.match(standing or '0 ', '^(%d+) (.*)$')
    done = over == '' or over == version
    if done then
      redis.call('HSET', entries, name, entry)
      if with_state == '0' then state = kept end
      redis.call('HSET', states, name, string.format('%d', redis.call('INCR', versions)) .. ' ' .. state)
    end
  end
  if done then redis.call('ZADD', changes, redis.call('INCR', edition), name) end
  answer[#answer + 1] = done and 1 or 0
end
return answer
