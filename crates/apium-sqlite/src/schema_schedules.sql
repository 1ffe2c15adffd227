-- Schema 7: schedules.

-- The version is another one after each change of a row, the edition after each that is not only a decision.
CREATE TABLE schedules (
    name    TEXT    PRIMARY KEY,
    entry   TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When each was put or dropped last; those that were dropped stay, to be told of.
CREATE TABLE schedule_changes (
    edition INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE
) STRICT;

-- One row at most: who leads.
CREATE TABLE schedule_leader (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    term    INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    name    TEXT    NOT NULL
) STRICT;

-- The last version and the last term that were given away.
CREATE TABLE schedule_counts (version INTEGER NOT NULL, term INTEGER NOT NULL) STRICT;
INSERT INTO schedule_counts VALUES (0, 0);

CREATE TABLE schedule_history (
    id    INTEGER PRIMARY KEY,                  -- newest last
    entry TEXT    NOT NULL,
    told  TEXT    NOT NULL
) STRICT;
CREATE INDEX schedule_history_by_entry ON schedule_history (entry, id);
