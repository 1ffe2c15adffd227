-- Schema 6: shared queues. A message that has its turn is in state 5, and `due` is that turn.

CREATE INDEX sorted ON messages (state, queue, due) WHERE state = 5;

-- The turn that was served last.
CREATE TABLE share_turns (
    queue  TEXT    PRIMARY KEY,
    served INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The earliest turn of a share's next message, where that is ahead of the one served last.
CREATE TABLE share_reached (
    queue   TEXT    NOT NULL,
    share   TEXT    NOT NULL,
    reached INTEGER NOT NULL,
    PRIMARY KEY (queue, share)
) STRICT, WITHOUT ROWID;
CREATE INDEX share_reached_by_turn ON share_reached (queue, reached);
