-- Schema 1 of an Apium store. Times are microseconds since 1970, UTC.

-- Every message not yet settled. The row id is the place in line: new ones at the end, requeues in front of all.
-- `lease` and `tag` mean something only while claimed, but always hold a large number: a row that keeps its length
-- is overwritten in place when claimed, instead of being written again with the whole body of the message.
CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,
    queue       TEXT    NOT NULL,
    step        INTEGER NOT NULL,               -- served lowest first: priority 0-2, 3-5, 6-8, 9
    state       INTEGER NOT NULL,               -- 2 ready, 3 delayed until `due`, 4 claimed until `lease`
    published   INTEGER NOT NULL,
    due         INTEGER NOT NULL,               -- while claimed: since when, or when the lease was last renewed
    lease       INTEGER NOT NULL,
    tag         INTEGER NOT NULL,               -- the one claim that may settle it
    redelivered INTEGER NOT NULL,               -- 0 no, 1 yes
    priority    INTEGER NOT NULL,
    bytes       BLOB    NOT NULL                -- last, so that the columns before it stay on the first page
) STRICT;

-- One index a state, so that a claim looks only at what can be claimed, however much is delayed or in work;
-- `state` stands in them so that counting reads the index alone.
CREATE INDEX ready   ON messages (state, queue, step)  WHERE state = 2;
CREATE INDEX delayed ON messages (state, queue, due)   WHERE state = 3;
CREATE INDEX claimed ON messages (state, lease, queue) WHERE state = 4;

CREATE TABLE results (
    id      INTEGER PRIMARY KEY,
    task_id TEXT    NOT NULL UNIQUE,
    state   TEXT    NOT NULL,
    expires INTEGER,
    record  BLOB    NOT NULL
) STRICT;
CREATE INDEX expiring ON results (expires) WHERE expires IS NOT NULL;

-- Ids announced or ended, so that "never seen" and "expired" can be told apart.
CREATE TABLE remembered (
    task_id TEXT    PRIMARY KEY,
    until   INTEGER NOT NULL,
    ended   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_until ON remembered (until);

CREATE TABLE dead (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,   -- newest last
    name   TEXT    NOT NULL UNIQUE,
    queue  TEXT    NOT NULL,
    task   TEXT,
    letter TEXT    NOT NULL                     -- the whole letter as JSON, its message included
) STRICT;
CREATE INDEX dead_queue ON dead (queue);
CREATE INDEX dead_task  ON dead (task);

CREATE TABLE workers (
    name  TEXT    PRIMARY KEY,
    until INTEGER NOT NULL,
    card  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- the cursor that workers ask on from: never used twice
    task_id TEXT    NOT NULL,
    until   INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_until ON revoked (until);
