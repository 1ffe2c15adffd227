-- Schema 5: shared limits.

CREATE TABLE limits (
    name    TEXT PRIMARY KEY,
    bounds  TEXT NOT NULL,                      -- as JSON
    origin  TEXT NOT NULL                       -- code or operator
) STRICT, WITHOUT ROWID;
CREATE TABLE limits_version (version INTEGER NOT NULL) STRICT;  -- one row; another number after each change
INSERT INTO limits_version VALUES (0);

-- What a limit has counted: its latest starts and failures, and its breaker, as JSON.
CREATE TABLE limit_meters (
    name  TEXT    PRIMARY KEY,
    until INTEGER NOT NULL,                     -- then it does not matter any more
    meter TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX limit_meters_until ON limit_meters (until);

-- Who holds a place: the claim of a message (`messages.tag`), for as long as it lives unless `until` is told.
CREATE TABLE limit_places (
    name    TEXT    NOT NULL,
    message INTEGER NOT NULL,
    tag     INTEGER NOT NULL,
    until   INTEGER,
    PRIMARY KEY (name, message, tag)
) STRICT, WITHOUT ROWID;

-- Who waits in the line of a limit; `message` and `tag` find the message as it was put back.
CREATE TABLE limit_lines (
    name    TEXT    NOT NULL,
    task_id TEXT    NOT NULL,
    since   INTEGER NOT NULL,                   -- the order of turns
    called  INTEGER,                            -- once its turn is known: when that is
    message INTEGER NOT NULL,
    tag     INTEGER NOT NULL,
    PRIMARY KEY (name, task_id)
) STRICT, WITHOUT ROWID;
-- How many stand in each line that is not empty: counting a long one would take its time at every look.
CREATE TABLE limit_counts (name TEXT PRIMARY KEY, waiting INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER limit_lines_longer AFTER INSERT ON limit_lines
    BEGIN INSERT INTO limit_counts VALUES (NEW.name, 1) ON CONFLICT (name) DO UPDATE SET waiting = waiting + 1; END;
CREATE TRIGGER limit_lines_shorter AFTER DELETE ON limit_lines
    BEGIN
        UPDATE limit_counts SET waiting = waiting - 1 WHERE name = OLD.name;
        DELETE FROM limit_counts WHERE name = OLD.name AND waiting <= 0;
    END;
CREATE INDEX limit_lines_next   ON limit_lines (name, since, task_id) WHERE called IS NULL;
CREATE INDEX limit_lines_called ON limit_lines (name, called) WHERE called IS NOT NULL;
