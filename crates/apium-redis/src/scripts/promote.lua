-- Moves due messages of one queue from `unacked`, where they waited for their time, to the front of their
-- lists, the earliest ahead: they have waited long enough. (Shared by claim and promote_due.)
--
-- What stands in `unacked` as [<message>, "", "<queue>"] is cut back to the message as text, never re-encoded:
-- cjson would turn [] into {}, round large integers and refuse NaN.

-- The server's own time, in seconds; `offset` (also seconds) is stepped by tests.
local function server_time(offset)
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(offset)
end

local function promote(unacked, index, delayed, lists, ending, now, max)
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', string.format('%.6f', now), 'LIMIT', 0, max)
  -- Deletes nothing: so a Redis that is full takes what follows, which only moves messages (see `renew.lua`).
  if #due > 0 then redis.call('HDEL', unacked, '') end
  for i = #due, 1, -1 do
    local tag = due[i]
    local value = redis.call('HGET', unacked, tag)
    -- Nothing there: a peer's sweep restored it already.
    if value then
      local step = string.match(tag, '^[^:]*:[^:]*:[^:]*:(%d+):')
      -- Before it is removed: the list's name may be taken by a key of another type.
      redis.call('RPUSH', lists[step] or lists['0'], string.sub(value, 2, -(#ending + 1)))
      redis.call('HDEL', unacked, tag)
      redis.call('ZREM', index, tag)
    end
    redis.call('ZREM', delayed, tag)
  end
  return #due
end

