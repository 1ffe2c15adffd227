-- Whether what a command failed with is the misfortune of one key (its name is taken by another type), and its words.
-- (Shared by claim and depths: what ails one queue must not starve the others.)
local function misfit(fault)
  local text = type(fault) == 'table' and fault.err or tostring(fault)
  return string.find(text, 'WRONGTYPE', 1, true) ~= nil, text
end

