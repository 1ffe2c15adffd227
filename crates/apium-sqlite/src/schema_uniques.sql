-- Schema 4: unique tasks.

-- Which task holds a key, until it is given back or its time is over.
CREATE TABLE uniques (
    name   TEXT    PRIMARY KEY,                 -- the key
    holder TEXT    NOT NULL,                    -- the task's id
    runs   INTEGER NOT NULL,                    -- 1 while an attempt has begun, 0 while it waits
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uniques_until ON uniques (until);

-- Tasks that a newer one with the same key has taken the place of: they must not begin.
CREATE TABLE called_off (
    task_id TEXT    PRIMARY KEY,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX called_off_until ON called_off (until);
