-- Publishes messages of which some wait for their time, all in one step.
--
-- KEYS: unacked, unacked_index; then for each message its list or its delayed set.
-- ARGV: clock offset; then for each message 'now' and its bytes, or the seconds left, its value in unacked and
--       its tag.
return put(KEYS[1], KEYS[2], ARGV[1], 3, 2)
