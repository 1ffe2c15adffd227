-- Settles deliveries that ended plainly: acknowledged, with one result or none, and nothing that follows. Most do, so
-- this is the short way; the others go by settle.lua. What is written is the same, and as there nothing of it when the
-- delivery is no longer ours.
--
-- KEYS: unacked, unacked_index, deaths, when they were; then of each with a result where that lies, and where it is
-- remembered that its id was announced.
-- ARGV: of each its tag, the result's record or '', for how many milliseconds it is kept or '', and for how many the id
-- is remembered or ''.
-- Answer: as settle.lua's.
local unacked, index, deaths, deaths_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pcall = redis.call, redis.pcall

-- A Redis whose memory is full refuses a script's first write if that takes memory, and no later one. Its queues can
-- still be drained, so we begin with a write that takes none.
call('HDEL', unacked, '')
local any_deaths = call('EXISTS', deaths) == 1

local function let_go(tag)
  if any_deaths then forget_deaths(unacked, deaths, deaths_at, tag) end
  return call('HDEL', unacked, tag) == 1
end

local function store(meta, record, expires, ...)
  if expires == '' then return call('SET', meta, record, ...) end
  return call('SET', meta, record, 'PX', expires, ...)
end

-- The message goes last, because what is before can fail half-way: then it is delivered again and not lost.
local function settle(tag, meta, known, record, expires, remember)
  local whole = store(meta, record, expires, 'NX')
  if whole then
    -- Nothing was there before.
    if not let_go(tag) then
      call('DEL', meta)
      return 0
    end
  else
    if call('HEXISTS', unacked, tag) == 0 then return 0 end
    whole = gives_way(meta, 'unsuccessful')
    if whole then store(meta, record, expires) end
    let_go(tag)
  end
  if not whole then return 2 end
  -- A user who may not publish still settles: those who wait for the message find the record a little later.
  pcall('PUBLISH', meta, record)
  if remember ~= '' then call('SET', known, 'ended', 'PX', remember) end
  return 1
end

local answer, gone, key = {}, {}, 4
for at = 1, #ARGV, 4 do
  local tag, record, code = ARGV[at], ARGV[at + 1], 0
  if record ~= '' then
    code = settle(tag, KEYS[key + 1], KEYS[key + 2], record, ARGV[at + 2], ARGV[at + 3])
    key = key + 2
  elseif let_go(tag) then
    code = 1
  end
  if code > 0 then gone[#gone + 1] = tag end
  answer[#answer + 1] = code
end
if #gone > 0 then call('ZREM', index, unpack(gone)) end
return answer
