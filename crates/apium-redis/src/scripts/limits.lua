-- Shared limits. (Shared by admit, spend, settle and the scripts that change limits; the rules are those of
-- `apium-core/src/limits/office.rs`.) What lies where is told in `keys.rs`.
local limits = { grace = 10, most_called = 250 }

-- What a moment may gain or lose when it is written as text, in seconds.
limits.lost = 0.000002

-- The names of the keys begin with `root`; `now` is the moment of this step, in seconds.
function limits.open(root, unacked, index, now)
  limits.root, limits.unacked, limits.index, limits.now = root, unacked, index, now
end

function limits.at(what, name) return limits.root .. ':' .. what .. ':' .. name end

local function text(moment) return string.format('%.6f', moment) end

-- What counts for a name: its own definition before that of its kind.
function limits.definition(name)
  local found = redis.call('HGET', limits.root, name)
  if not found then
    local kind = string.match(name, '^([^:=]+)=')
    found = kind and redis.call('HGET', limits.root, kind .. '=*')
  end
  return found and cjson.decode(found).limit or nil
end

-- Whether a holder has a place: until a moment of its own, or until its claim is put back or settled. (Whether a lease
-- has run out is judged by who recovers, and nobody else.)
function limits.holds(name, holder)
  local till = redis.call('ZSCORE', limits.at('places', name), holder)
  if not till then return false end
  if till == 'inf' then return redis.call('ZSCORE', limits.index, holder) and true or false end
  return tonumber(till) > limits.now
end

-- How many places are held. Only where that matters are those looked through whose claims may have ended.
function limits.running(name, most)
  local places = limits.at('places', name)
  local count = redis.call('ZCARD', places)
  if count < most then return count end
  local held = redis.call('ZRANGE', places, 0, -1, 'WITHSCORES')
  for from = 1, #held, 2000 do
    local tags = {}
    for at = from, math.min(from + 1998, #held), 2 do tags[#tags + 1] = held[at] end
    local claims = redis.call('ZMSCORE', limits.index, unpack(tags))
    for at, tag in ipairs(tags) do
      local till, ended = held[from + 2 * at - 1], nil
      if till == 'inf' then ended = not claims[at] else ended = tonumber(till) <= limits.now end
      if ended then count = count - redis.call('ZREM', places, tag) end
    end
  end
  return count
end

-- Keeps what has started for as long as the rate can count it.
function limits.keep(name, rate)
  redis.call('PEXPIRE', limits.at('starts', name), math.ceil(rate.within * 1000) + 1000)
end

-- Notes so many starts.
function limits.count(name, rate, starts)
  local noted = limits.at('starts', name)
  for _ = 1, starts do redis.call('RPUSH', noted, text(limits.now)) end
  redis.call('LTRIM', noted, -rate.starts, -1)
  limits.keep(name, rate)
end

-- Starts that lie ahead were noted before the clock was set back: they count as of now, so that no more start than may,
-- and nothing waits until the clock is there again.
function limits.bring_back(name, rate)
  local noted, ahead = limits.at('starts', name), 0
  local last = redis.call('LINDEX', noted, -1)
  while last and tonumber(last) > limits.now + limits.lost do
    redis.call('RPOP', noted)
    ahead = ahead + 1
    last = redis.call('LINDEX', noted, -1)
  end
  if ahead > 0 then limits.count(name, rate, ahead) end
end

-- When so many more may start; nothing while that hangs on starts that are still to come.
function limits.paced(name, rate, more)
  local noted = limits.at('starts', name)
  -- The last of them has so many before it, the first of which must lie a window back.
  local before = redis.call('LLEN', noted) + more - rate.starts - 1
  if before < 0 then return limits.now end
  local start = redis.call('LINDEX', noted, before)
  return start and math.max(limits.now, math.min(tonumber(start), limits.now) + rate.within) or nil
end

-- How many more may start now beside so many who were called. The moments are in order: half of what is left is looked
-- at no more with each look.
function limits.left(name, rate, called)
  local noted = limits.at('starts', name)
  local all = redis.call('LLEN', noted)
  local low, high = 0, all
  while low < high do
    local middle = math.floor((low + high) / 2)
    local start = tonumber(redis.call('LINDEX', noted, middle))
    if start + rate.within > limits.now + limits.lost then high = middle else low = middle + 1 end
  end
  return math.max(0, rate.starts - called - (all - low))
end

-- When one more may start beside so many who were called: a moment, or nothing while something must end first. That a
-- breaker is open further ahead than it can was noted before the clock was set back, and counts no more.
function limits.turn(name, limit, called)
  local when = limits.now
  if limit.concurrency and limits.running(name, limit.concurrency - called) + called >= limit.concurrency then
    return nil
  end
  if limit.rate then
    limits.bring_back(name, limit.rate)
    when = limits.paced(name, limit.rate, called + 1)
    if not when then return nil end
  end
  if limit.breaker then
    local open, probe = unpack(redis.call('HMGET', limits.at('breaker', name), 'until', 'probe'))
    if open then
      if called > 0 or (probe and limits.holds(name, probe)) then return nil end
      if tonumber(open) <= limits.now + limits.lost + limit.breaker.open then when = math.max(when, tonumber(open)) end
    end
  end
  return when
end

-- How many were called and have not come; who did not come in time is no longer waited for.
function limits.called(name)
  local called = limits.at('called', name)
  local late = redis.call('ZRANGEBYSCORE', called, '-inf', '(' .. text(limits.now - limits.grace), 'LIMIT', 0, 1000)
  for _, id in ipairs(late) do
    redis.call('ZREM', called, id)
    redis.call('HDEL', limits.at('waiting', name), id)
  end
  return redis.call('ZCARD', called)
end

-- Since when a task stands in the line, and whether it was called.
function limits.standing(name, id)
  local known = redis.call('HGET', limits.at('waiting', name), id)
  if not known then return nil, false end
  return tonumber(string.match(known, '^(%S+)')), redis.call('ZSCORE', limits.at('called', name), id) and true or false
end

function limits.leave(name, id)
  redis.call('ZREM', limits.at('line', name), id)
  redis.call('ZREM', limits.at('called', name), id)
  redis.call('HDEL', limits.at('waiting', name), id)
end

-- Puts a task into the line, whose message waits under this tag. Another order of the scores is another order of turns.
function limits.join(name, id, since, tag)
  redis.call('ZADD', limits.at('line', name), text(since), id)
  redis.call('HSET', limits.at('waiting', name), id, text(since) .. ' ' .. tag)
  redis.call('SADD', limits.root .. ':lines', name)
end

-- Makes the message under a tag due, if that is sooner; when it will be, or nothing where it no longer waits.
local function make_due(tag, when)
  local delayed = 'apium:delayed:' .. string.match(tag, '^[^:]*:[^:]*:[^:]*:%d+:(.*)$')
  local due = redis.call('ZSCORE', delayed, tag)
  if not due or tonumber(due) <= limits.now then return nil end
  when = math.min(when, tonumber(due))
  redis.call('ZADD', delayed, text(when), tag)
  redis.call('ZADD', limits.index, 'XX', text(when), tag)
  return when
end

-- Calls from the line whoever has a turn.
function limits.call(name)
  local line, waiting = limits.at('line', name), limits.at('waiting', name)
  if redis.call('EXISTS', waiting) == 0 then
    redis.call('SREM', limits.root .. ':lines', name)
    return
  end
  local limit, called = limits.definition(name), limits.called(name)
  for _ = 1, limits.most_called do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if not first then break end
    local when = limits.now
    if limit then
      when = called < limits.most_called and limits.turn(name, limit, called)
      if not when then break end
    end
    local known = redis.call('HGET', waiting, first)
    when = known and make_due(string.match(known, '^%S+ (.*)$'), when)
    redis.call('ZREM', line, first)
    if when and limit then
      redis.call('ZADD', limits.at('called', name), text(when), first)
      called = called + 1
    else
      redis.call('HDEL', waiting, first)
    end
  end
end

-- Puts all that were called back into the line: their turns are reckoned anew.
function limits.recall(name)
  local waiting = limits.at('waiting', name)
  for _, id in ipairs(redis.call('ZRANGE', limits.at('called', name), 0, -1)) do
    local known = redis.call('HGET', waiting, id)
    if known then redis.call('ZADD', limits.at('line', name), string.match(known, '^(%S+)'), id) end
  end
  redis.call('DEL', limits.at('called', name))
end

function limits.used(name) redis.call('ZADD', limits.root .. ':used', text(limits.now), name) end

-- An attempt has a place and starts.
function limits.start(name, limit, holder)
  redis.call('ZADD', limits.at('places', name), 'inf', holder)
  limits.used(name)
  if limit.rate then limits.count(name, limit.rate, 1) end
  if limit.breaker and redis.call('EXISTS', limits.at('breaker', name)) == 1 then
    redis.call('HSET', limits.at('breaker', name), 'probe', holder)
  end
end

local function open_breaker(name, limit)
  local breaker = limits.at('breaker', name)
  redis.call('HSET', breaker, 'until', text(limits.now + limit.open))
  redis.call('HDEL', breaker, 'probe')
  redis.call('DEL', limits.at('failures', name))
  -- One that nobody tries any more is forgotten a day later.
  redis.call('PEXPIRE', breaker, math.ceil((limit.open + 86400) * 1000))
end

-- What becomes of a place: 'good', 'bad', 'neither', or 'keep' for so many seconds; 'gone': this task waits no more.
function limits.finish(name, holder, how, span)
  if how == 'keep' then
    redis.call('ZADD', limits.at('places', name), 'XX', text(limits.now + tonumber(span)), holder)
    return
  end
  if how == 'gone' then
    limits.leave(name, holder)
    limits.call(name)
    return
  end
  local limit = limits.definition(name)
  if limit and limit.breaker then
    local breaker, failures = limits.at('breaker', name), limits.at('failures', name)
    local open, probe = unpack(redis.call('HMGET', breaker, 'until', 'probe'))
    if open then
      -- What began before it opened tells nothing new.
      if probe == holder then
        if how == 'good' then
          redis.call('DEL', breaker)
        elseif how == 'bad' then
          open_breaker(name, limit.breaker)
        else
          redis.call('HDEL', breaker, 'probe')
        end
      end
    elseif how == 'bad' then
      redis.call('RPUSH', failures, text(limits.now))
      redis.call('LTRIM', failures, -limit.breaker.failures, -1)
      redis.call('PEXPIRE', failures, math.ceil(limit.breaker.within * 1000) + 1000)
      local all = redis.call('LLEN', failures) >= limit.breaker.failures
      if all and tonumber(redis.call('LINDEX', failures, 0)) >= limits.now - limit.breaker.within then
        open_breaker(name, limit.breaker)
      end
    end
  end
  redis.call('ZREM', limits.at('places', name), holder)
  limits.call(name)
end

