-- Settles deliveries, each with everything its attempt caused: result, messages sent on, dead letter. Nothing
-- of it is written when the delivery is no longer ours. Redis runs a script to its end with nobody in between,
-- so a crash of the worker can repeat an attempt, never half of its consequences.
--
-- KEYS and ARGV are read from left to right, as `settle.rs` writes them.
-- KEYS: unacked, unacked_index, redelivered, dead, dead letters, what the names of settled ones begin with,
-- deaths, when they were; then as they come below.
-- Answer: for each settlement 0 lost, 1 written, 2 written but the stored result did not give way.
local next_key, next_arg = 0, 0
local function key()
  next_key = next_key + 1
  return KEYS[next_key]
end
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end

local unacked, index, redelivered, dead, letters, settled = key(), key(), key(), key(), key(), key()
local deaths, deaths_at = key(), key()
local time = redis.call('TIME')
local now = string.format('%.6f', tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(arg()))
local a_day_ago = string.format('%.6f', tonumber(now) - 86400)

-- Reads results and stores them if `held`; false when one of them did not give way.
local function store_results(held)
  local whole = true
  for _ = 1, tonumber(arg()) do
    local meta, rule, expires, record = key(), arg(), arg(), arg()
    local known, remember = key(), arg()
    if held and gives_way(meta, rule) then
      if expires == '' then
        redis.call('SET', meta, record)
      else
        redis.call('SET', meta, record, 'PX', expires)
      end
      -- A user who may not publish (`ACL SETUSER` gives no channels unless asked) still settles: those who wait
      -- for the message find the record a little later.
      redis.pcall('PUBLISH', meta, record)
      if remember ~= '' then
        redis.call('SET', known, 'ended', 'PX', remember)
      end
    else
      whole = false
    end
  end
  return whole
end

local function read_messages()
  local messages = {}
  for at = 1, tonumber(arg()) do
    local message = { when = arg(), key = key(), bytes = arg() }
    if message.when ~= 'now' then message.tag, message.queue_ending = arg(), arg() end
    messages[at] = message
  end
  return messages
end

local function send_messages(messages)
  for _, message in ipairs(messages) do
    if message.when == 'now' then
      redis.call('LPUSH', message.key, message.bytes)
    else
      redis.call('HSET', unacked, message.tag, '[' .. message.bytes .. message.queue_ending)
      local due = string.format('%.6f', tonumber(now) + tonumber(message.when))
      redis.call('ZADD', index, due, message.tag)
      redis.call('ZADD', message.key, due, message.tag)
    end
  end
end

-- A delivery is settled once. What has none is known again by the bytes it sends (each message has a delivery tag
-- of its own), so that a settlement repeated because our answer was lost does not send twice.
local function known_by(messages)
  local bytes = {}
  for _, message in ipairs(messages) do
    bytes[#bytes + 1] = message.key
    bytes[#bytes + 1] = message.bytes
  end
  return settled .. redis.sha1hex(table.concat(bytes, '\n'))
end

local answer, gone = {}, {}
-- Nearly always there are none: one look for all.
local any_deaths = redis.call('EXISTS', deaths) == 1

for i = 1, tonumber(arg()) do
  local tag, disposition, sends = arg(), arg(), tonumber(arg())
  local held, value = true, nil
  if tag ~= '' then
    if disposition == 'front' or disposition == 'died' or disposition == 'back' or disposition == 'defer' then
      value = redis.call('HGET', unacked, tag)
      held = value and true or false
    else
      held = redis.call('HEXISTS', unacked, tag) == 1
      -- A Redis whose memory is full refuses a script's first write if that takes memory, and no later one. Its
      -- queues can still be drained, so we begin with a write that takes none.
      if held and sends == 0 then redis.call('HDEL', unacked, '') end
    end
  end

  if disposition == 'front' or disposition == 'died' or disposition == 'back' then
    local list, ending = key(), tonumber(arg())
    local who, most = nil, nil
    if disposition == 'died' then who, most = arg(), tonumber(arg()) end
    if value then
      if who then
        note_death(deaths, deaths_at, value, who, most, now)
        any_deaths = true
      end
      local message = string.sub(value, 2, -(ending + 1))
      -- The bytes stay as they are, so that it came back is remembered beside.
      redis.call('ZADD', redelivered, now, redis.sha1hex(message))
      redis.call('ZREMRANGEBYSCORE', redelivered, '-inf', a_day_ago)
      redis.call('EXPIRE', redelivered, 86400)
      redis.call(disposition == 'back' and 'LPUSH' or 'RPUSH', list, message)
    end
  elseif disposition == 'defer' then
    local delayed, left, waiting = key(), arg(), arg()
    local due = string.format('%.6f', tonumber(now) + tonumber(left))
    if value then
      redis.call('HSET', unacked, waiting, value)
      redis.call('ZADD', index, due, waiting)
      redis.call('ZADD', delayed, due, waiting)
    end
  end
  local id, letter = nil, nil
  if disposition == 'dead' then id, letter = arg(), arg() end

  -- Before the letter: a result that may not be written ends the script, and what was written before would stay.
  local whole = store_results(held)
  if id and held then
    redis.call('HSET', letters, id, letter)
    redis.call('ZADD', dead, now, id)
  end
  local messages = read_messages()
  local token = tag == '' and #messages > 0 and known_by(messages)
  if held and not (token and redis.call('EXISTS', token) == 1) then
    send_messages(messages)
    if token then redis.call('SET', token, '1', 'EX', 600) end
  end

  -- Chords of which this was the last part: the body is sent while the claim is held, as chord_end.lua ends it. The
  -- parts of one that failed are kept, as Celery keeps them: who looks into the failure finds there what went well.
  for _ = 1, tonumber(arg()) do
    local claim, done, failed, ender = arg(), arg(), arg(), key()
    local parts, added, size, counted = key(), key(), key(), key()
    local ours = held and redis.call('GET', ender) == claim
    store_results(ours)
    local body = read_messages()
    if ours then
      send_messages(body)
      redis.call('DEL', size)
      if failed == '0' then redis.call('DEL', parts, added, counted) end
      redis.call('SET', ender, 'done', 'EX', done)
    end
  end

  -- The key of a unique task, if the task still holds it. A key of another type is nobody's.
  local verb = arg()
  if verb ~= '' then
    local unique, id, keep = key(), arg(), arg()
    local standing = held and redis.pcall('GET', unique)
    if type(standing) == 'string' and string.sub(standing, 2) == id then
      if verb == 'keep' then
        redis.call('SET', unique, 'w' .. id, 'PX', keep)
      else
        redis.call('DEL', unique)
      end
    end
  end

  -- Its places with shared limits; those of a claim that was lost count no more.
  local places = tonumber(arg())
  if places > 0 then
    limits.open(key(), unacked, index, tonumber(now))
    local holder, how, span = arg(), arg(), arg()
    for _ = 1, places do
      local name = arg()
      -- A limit that cannot be read must not keep an outcome from being written.
      if held then pcall(limits.finish, name, holder, how, span) end
    end
  end

  -- Last, because all before it can fail half-way (a key's name may be taken by another type): then the message
  -- is delivered again and not lost.
  if tag ~= '' and held then
    if any_deaths and (disposition == 'ack' or disposition == 'dead') then forget_deaths(unacked, deaths, deaths_at, tag) end
    redis.call('HDEL', unacked, tag)
    gone[#gone + 1] = tag
  end
  answer[i] = not held and 0 or whole and 1 or 2
end
if #gone > 0 then redis.call('ZREM', index, unpack(gone)) end
return answer
