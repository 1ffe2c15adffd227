-- A later schema: how often a message came back because a lease ran out, and who held it.

-- Nearly always empty. Its rows follow their messages by the triggers below, also where an older statement moves or
-- deletes one: ids of messages are used again.
CREATE TABLE deaths (
    message INTEGER PRIMARY KEY,
    workers TEXT    NOT NULL                    -- their names as a JSON list, oldest first
) STRICT;
CREATE TRIGGER deaths_end AFTER DELETE ON messages
    BEGIN DELETE FROM deaths WHERE message = OLD.id; END;
CREATE TRIGGER deaths_move AFTER UPDATE OF id ON messages WHEN NEW.id <> OLD.id
    BEGIN UPDATE deaths SET message = NEW.id WHERE message = OLD.id; END;

-- Whose claims begin with which tag: each process counts its tags on from a random first.
CREATE TABLE holders (
    first INTEGER PRIMARY KEY,
    name  TEXT    NOT NULL
) STRICT;
