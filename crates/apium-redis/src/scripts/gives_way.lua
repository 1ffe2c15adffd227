-- The status in a record, of which this is the head, in each form of `result_serializer`. Ours begin with it, and
-- Celery's too in JSON and msgpack; what stands in the task's own result further on must not be taken for it.
local function status_of(meta, head)
  local status = string.match(head, '^%s*{%s*"status"%s*:%s*"([^"]*)"')
  if status then return status end
  -- msgpack: a map, the text "status", and a text of up to 31 bytes.
  for _, map in ipairs({ '^[\128-\143]', '^\222..' }) do
    local _, ending, size = string.find(head, map .. '\166status([\160-\191])')
    if ending then return string.sub(head, ending + 1, ending + string.byte(size) - 160) end
  end
  -- PyYAML sorts the fields, a line for each; what belongs to another field is indented.
  if string.match(head, '^[%l_]+:') then
    return string.match('\n' .. redis.call('GET', meta), '\nstatus: ([^\n]*)') or 'UNREADABLE'
  end
  return 'UNREADABLE'
end

-- Whether what is stored gives way (state.rs: `gives_way`).
local function gives_way(meta, rule)
  local head = redis.call('GETRANGE', meta, 0, 63)
  if head == '' then return true end
  -- Celery 5.7 can compress a record, and no script can look inside. It may be a success, which is final, so it
  -- stays; what it tells at least is true of an attempt.
  if string.sub(head, 1, 19) == '\0celery-compressed\0' then return false end
  local status = status_of(meta, head)
  if rule == 'waiting' then
    return status == 'PENDING' or status == 'RECEIVED' or status == 'RETRY'
  end
  return status ~= 'SUCCESS'
end

