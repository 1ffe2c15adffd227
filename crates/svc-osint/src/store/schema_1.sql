-- Times are microseconds since 1970. Bytes are gzip.
CREATE TABLE osint_scan (
    -- The task's id.
    id TEXT PRIMARY KEY,
    -- The scan of several types that this one is a part of.
    parent_id TEXT,
    -- The name of the token it was asked for with; empty where none was.
    owner TEXT NOT NULL,
    -- As it was written.
    target TEXT NOT NULL,
    -- In its one spelling, by which equal ones are found.
    target_key TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    -- One type, several with commas between, or `all`.
    collector TEXT NOT NULL,
    options TEXT NOT NULL,
    -- PENDING until it is known how it ended.
    state TEXT NOT NULL,
    error TEXT,
    -- The whole result as JSON.
    result BYTEA,
    -- The scan whose result it is, where it was not asked anew.
    cached_from TEXT,
    created BIGINT NOT NULL,
    started BIGINT,
    finished BIGINT,
    cancelled_by TEXT
);
CREATE INDEX osint_scan_by_target ON osint_scan (target_key, collector, finished);
CREATE INDEX osint_scan_by_age ON osint_scan (created);
CREATE INDEX osint_scan_by_parent ON osint_scan (parent_id);
CREATE INDEX osint_scan_by_state ON osint_scan (state, created);
-- Raw answers of providers: while a scan runs, so that whoever takes it over asks nothing twice; afterwards as its
-- evidence, until they are forgotten.
CREATE TABLE osint_answer (
    scan_id TEXT NOT NULL,
    -- The question, without any key.
    question TEXT NOT NULL,
    -- The digest of the body, by which findings name their evidence.
    sha256 TEXT NOT NULL,
    answer BYTEA NOT NULL,
    kept BIGINT NOT NULL,
    PRIMARY KEY (scan_id, question)
);
CREATE INDEX osint_answer_by_age ON osint_answer (kept);
-- Until when a provider has said that nothing is left.
CREATE TABLE osint_quota (
    provider TEXT PRIMARY KEY,
    spent_until BIGINT NOT NULL
);
-- Who may use the API. The token itself is shown once and kept nowhere.
CREATE TABLE osint_token (
    name TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    -- Scans in any minute.
    per_minute BIGINT NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT
);
-- Who did what, oldest first.
CREATE TABLE osint_audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    scan_id TEXT,
    target TEXT,
    detail TEXT
);
CREATE INDEX osint_audit_by_age ON osint_audit (at);
