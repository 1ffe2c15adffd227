-- Schema 2: chords and groups, as Celery keeps them in its result backend; and what is said to everyone.

-- One row a chord that was announced or of which a part has ended.
CREATE TABLE chords (
    name    TEXT    PRIMARY KEY,                -- the group of its header
    size    INTEGER,                            -- parts announced; NULL until they are
    added   INTEGER NOT NULL DEFAULT 0,         -- parts that parts have added
    ended   INTEGER NOT NULL DEFAULT 0,         -- parts that have ended
    state   INTEGER NOT NULL DEFAULT 0,         -- 0 counting, 1 claimed until `until`, 2 its body was sent
    token   TEXT    NOT NULL DEFAULT '',        -- the claim
    until   INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX chords_expiring ON chords (expires);

CREATE TABLE parts (
    id      INTEGER PRIMARY KEY,
    chord   TEXT    NOT NULL,
    place   INTEGER NOT NULL,                   -- parts without one come last
    task_id TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    result  TEXT    NOT NULL,
    UNIQUE (chord, place, task_id)
) STRICT;

CREATE TABLE groups (
    name    TEXT    PRIMARY KEY,
    expires INTEGER,
    record  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX groups_expiring ON groups (expires) WHERE expires IS NOT NULL;

-- What was said to everyone, and answers; for a minute.
CREATE TABLE broadcasts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- the cursor of whoever listens: never used twice, never left out
    subject TEXT    NOT NULL,                   -- 'control', 'event <routing key>' or 'answer <id of the request>'
    said    INTEGER NOT NULL,
    total   INTEGER NOT NULL,                   -- bytes of this and all before it: how many lie between two rows
    bytes   BLOB    NOT NULL
) STRICT;
