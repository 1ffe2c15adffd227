-- Moves due messages of one queue to its lists; answers how many.
-- KEYS: unacked, unacked_index, the queue's delayed set, its lists at steps 0, 3, 6, 9.
-- ARGV: clock offset, the ending of the queue's values in `unacked`, at most so many.
local lists = { ['0'] = KEYS[4], ['3'] = KEYS[5], ['6'] = KEYS[6], ['9'] = KEYS[7] }
return promote(KEYS[1], KEYS[2], KEYS[3], lists, ARGV[2], server_time(ARGV[1]), ARGV[3])
