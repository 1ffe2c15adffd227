-- Notes one more death beside a message, by what it is in `unacked` when one of us claims it. For a week, and of each
-- message the latest deaths. What another type has taken the keys of is not counted. (Shared by restore, settle and
-- acknowledge.)
local function note_death(deaths, deaths_at, value, who, most, now)
  local name = redis.sha1hex(value)
  local known = redis.pcall('HGET', deaths, name)
  if type(known) == 'table' then return end
  local names = {}
  for line in string.gmatch(known or '', '[^\n]+') do names[#names + 1] = line end
  names[#names + 1] = who
  redis.pcall('HSET', deaths, name, table.concat(names, '\n', math.max(1, #names - most + 1)))
  redis.pcall('ZADD', deaths_at, now, name)
  redis.pcall('EXPIRE', deaths, 604800)
  redis.pcall('EXPIRE', deaths_at, 604800)
end

-- Forgets them, of a message that is done with; what only goes back is as suspect as before.
local function forget_deaths(unacked, deaths, deaths_at, tag)
  local value = redis.call('HGET', unacked, tag)
  if value then
    local name = redis.sha1hex(value)
    redis.pcall('HDEL', deaths, name)
    redis.pcall('ZREM', deaths_at, name)
  end
end

