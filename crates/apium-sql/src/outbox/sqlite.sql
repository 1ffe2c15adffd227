-- What is to be sent once the transaction that writes it is committed. A relay deletes each row when its messages are in
-- the broker. Only `signature` need be written:
--   INSERT INTO apium_outbox (signature) VALUES ('{"task": "mail.send", "kwargs": {"to": "ana@example.org"}}')
CREATE TABLE IF NOT EXISTS apium_outbox (
    -- The order in which rows are sent.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The id the task is sent under, and its result is found by: a random UUID.
    task_id TEXT NOT NULL UNIQUE DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    -- A signature as Celery writes it in JSON (json.dumps(add.s(2, 2))): "task" and, where wanted, "args", "kwargs" and
    -- "options" (queue, priority, countdown, eta, expires, headers …); a chain, group or chord too.
    signature TEXT NOT NULL,
    -- Microseconds since 1970; a countdown counts from here.
    written INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)),
    -- Why it cannot be sent; such a row stays.
    problem TEXT
);
