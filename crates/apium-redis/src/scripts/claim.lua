-- Takes waiting messages and registers each in `unacked` and `unacked_index`, in one step: a worker that dies
-- in between loses nothing. The score of a claim is the moment its lease ends.
-- KEYS: unacked, unacked_index, redelivered, deaths, the delayed sets of n queues, then the queues' lists: all at step
--       0, all at 3, all at 6, all at 9; or after the first four only the lists at step 0.
-- ARGV: clock offset, n, at most so many, lease in seconds, how the tags begin, the first tag's number, then
--       the endings of the n queues' values in `unacked`, then how the tags of each list end.
-- Answer: for each key that is of another type than it should be, its place in KEYS and the error, in one list; then in
--       one list, for each message of which there is more to tell, its place among all, 1 if it was handed out before,
--       and whose lease on it ran out; then for each list that had any its place and its messages.

-- Whether there is anything in these places; Lua can hand over some thousand arguments at once.
local function any(from, upto)
  for first = from, upto, 4000 do
    if redis.call('EXISTS', unpack(KEYS, first, math.min(first + 3999, upto))) > 0 then return true end
  end
  return false
end

local unacked, index, redelivered, deaths = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local queues, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = #KEYS > 4 + queues
-- The keys before those of the lists.
local lists = whole and 4 + queues or 4

-- An idle worker asks every few seconds: that costs next to nothing, however many queues there are.
local later, waiting = whole and any(5, lists), any(lists + 1, #KEYS)
if not later and not waiting then return { {}, {} } end

-- What is popped must have somewhere to go: should these be of another type, the script ends here.
redis.call('HEXISTS', unacked, '')
redis.call('ZCARD', index)

local tag_start, first = ARGV[5], tonumber(ARGV[6])
local number = first
local now = server_time(ARGV[1])
local score = string.format('%.6f', now + tonumber(ARGV[4]))

local faults, marks = {}, {}
local answer = { faults, marks }
local function failed(place, fault)
  local only_it, text = misfit(fault)
  if only_it then
    faults[#faults + 1] = place
    faults[#faults + 1] = text
  end
  return only_it
end

-- Mostly nothing waits for its time, and then a worker of many queues need not ask for each.
for queue = 1, later and queues or 0 do
  local first = lists + queue
  local steps = {
    ['0'] = KEYS[first],
    ['3'] = KEYS[first + queues],
    ['6'] = KEYS[first + 2 * queues],
    ['9'] = KEYS[first + 3 * queues],
  }
  local ok, fault = pcall(promote, unacked, index, KEYS[4 + queue], steps, ARGV[6 + queue], now, left)
  if not ok and not failed(4 + queue, fault) then error(fault) end
end

-- Only messages that are not due yet.
if not waiting and not any(lists + 1, #KEYS) then return answer end

-- What is nearly always empty must cost the hot path one look, not one a message.
local any_redelivered = redis.call('EXISTS', redelivered) == 1
local any_deaths = redis.call('EXISTS', deaths) == 1
local values, scores = {}, {}

local function mark(place, message, value)
  local before, died = 0, ''
  if any_redelivered then
    before = redis.pcall('ZREM', redelivered, redis.sha1hex(message))
    if type(before) == 'table' then before = 0 end
  end
  if any_deaths then
    died = redis.pcall('HGET', deaths, redis.sha1hex(value))
    if type(died) ~= 'string' then died = '' end
  end
  if before ~= 0 or died ~= '' then
    marks[#marks + 1] = place
    marks[#marks + 1] = before
    marks[#marks + 1] = died
  end
end

-- Lua can hand over some thousand arguments at once: larger claims are written in parts.
local function write()
  if #values > 0 then
    redis.call('HSET', unacked, unpack(values))
    redis.call('ZADD', index, unpack(scores))
    values, scores = {}, {}
  end
end

-- Nothing, or the error that the script is to end with.
local function take(place)
  local popped = redis.pcall('RPOP', KEYS[lists + place], left)
  if popped and popped.err then
    -- Once something was popped, the script must go on to register it.
    if not failed(lists + place, popped) and #answer == 2 then return popped end
  elseif popped then
    answer[#answer + 1] = place
    answer[#answer + 1] = popped
    local ending = ARGV[6 + (place - 1) % queues + 1]
    local tag_ending = ARGV[6 + queues + place]
    for at = 1, #popped do
      local message = popped[at]
      local tag, value = tag_start .. string.format('%d', number) .. tag_ending, '[' .. message .. ending
      if any_redelivered or any_deaths then mark(number - first, message, value) end
      number, left = number + 1, left - 1
      local size = #values
      values[size + 1], values[size + 2] = tag, value
      scores[size + 1], scores[size + 2] = score, tag
      if size >= 2000 then write() end
    end
  end
end

for step = 0, whole and 3 or 0 do
  local first, last = step * queues + 1, (step + 1) * queues
  for place = first, last do
    if left <= 0 then break end
    local before, fault = left, take(place)
    if fault then return fault end
    -- Most queues use one step: the others cost two looks, not one each.
    local none = place == first and left == before and queues > 2
    if none and not any(lists + place + 1, lists + last) then break end
  end
end
write()
return answer
