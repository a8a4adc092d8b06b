-- The store's schema: all truth about artifacts. The rules behind it are in docs/STORE.md.
-- Times are microseconds since 1970 by the database's clock; names and digests compare bytewise.

-- Which servers can serve this schema: a server whose own schema version is below min_server refuses.
CREATE TABLE schema_info (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version    INTEGER NOT NULL,
    min_server INTEGER NOT NULL
) STRICT;
INSERT INTO schema_info (id, version, min_server) VALUES (1, 1, 1);

-- Who this store is: the prefix of its keys in blob storage, and which life of the database this is.
CREATE TABLE store_info (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id        TEXT NOT NULL,
    incarnation     TEXT NOT NULL,
    admin_generated INTEGER NOT NULL DEFAULT 0
) STRICT;

-- First component of a repository name, and bucket. Never updated by traffic; an id is never used again.
CREATE TABLE namespace (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE repository (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    ns         INTEGER NOT NULL REFERENCES namespace (id),
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX repository_ns ON repository (ns);

-- Bytes. A sealed blob has names; one merged into another is read there.
CREATE TABLE blob (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    size        INTEGER NOT NULL CHECK (size >= 0),
    state       TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'quarantined')),
    merged_into INTEGER REFERENCES blob (id),
    touched_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX blob_merged_into ON blob (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE blob_name (
    digest TEXT NOT NULL PRIMARY KEY,
    blob   INTEGER NOT NULL REFERENCES blob (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_name_blob ON blob_name (blob);

CREATE TABLE blob_inline (
    blob  INTEGER NOT NULL PRIMARY KEY REFERENCES blob (id),
    bytes BLOB NOT NULL
) STRICT;

-- Keys in blob storage. A key has one row for ever: whoever inserts it first, commit or sweep, wins.
CREATE TABLE segment (
    key          TEXT NOT NULL PRIMARY KEY,
    state        TEXT NOT NULL CHECK (state IN ('staged', 'live', 'dead')),
    owner_upload TEXT,
    blob         INTEGER REFERENCES blob (id),
    start        INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    sha256       TEXT,
    dead_at      INTEGER,
    UNIQUE (blob, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_dead ON segment (dead_at) WHERE state = 'dead';
CREATE INDEX segment_owner ON segment (owner_upload) WHERE owner_upload IS NOT NULL;

-- Membership: only what a repository references can be read through it.
CREATE TABLE repo_blob (
    repo       INTEGER NOT NULL REFERENCES repository (id),
    blob       INTEGER NOT NULL REFERENCES blob (id),
    touched_at INTEGER NOT NULL,
    PRIMARY KEY (repo, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_blob_blob ON repo_blob (blob);

CREATE TABLE manifest (
    repo           INTEGER NOT NULL,
    digest         TEXT NOT NULL,
    blob           INTEGER NOT NULL,
    media_type     TEXT NOT NULL,
    artifact_type  TEXT,
    subject_digest TEXT,
    annotations    TEXT,
    created_at     INTEGER NOT NULL,
    touched_at     INTEGER NOT NULL,
    PRIMARY KEY (repo, digest),
    FOREIGN KEY (repo, blob) REFERENCES repo_blob (repo, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_subject ON manifest (repo, subject_digest, created_at, digest) WHERE subject_digest IS NOT NULL;
CREATE INDEX manifest_blob_owner ON manifest (repo, blob);

CREATE TABLE manifest_blob (
    repo   INTEGER NOT NULL,
    digest TEXT NOT NULL,
    blob   INTEGER NOT NULL,
    PRIMARY KEY (repo, digest, blob),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest),
    FOREIGN KEY (repo, blob) REFERENCES repo_blob (repo, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_blob_member ON manifest_blob (repo, blob);

-- Children of an index are text: they may be absent, and grant nothing.
CREATE TABLE manifest_child (
    repo         INTEGER NOT NULL,
    digest       TEXT NOT NULL,
    child_digest TEXT NOT NULL,
    PRIMARY KEY (repo, digest, child_digest),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    repo       INTEGER NOT NULL,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repo, name),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_digest ON tag (repo, digest);

-- Which tag pointed where, when: no digest means that the tag was deleted.
CREATE TABLE tag_history (
    repo   INTEGER NOT NULL REFERENCES repository (id),
    name   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    digest TEXT,
    actor  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (repo, name, seq)
) STRICT, WITHOUT ROWID;

-- Upload sessions. hash_state covers the bytes in segments; tail holds those after them.
CREATE TABLE upload (
    id           TEXT NOT NULL PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('oci', 's3')),
    target       TEXT NOT NULL,
    actor        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'done', 'aborted')),
    epoch        INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    hash_state   BLOB NOT NULL,
    tail         BLOB NOT NULL,
    last_request TEXT,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_actor ON upload (actor, expires_at) WHERE state = 'open';
CREATE INDEX upload_expires ON upload (expires_at);

-- What garbage collection has to look at, and when; what holds it up; who runs it.
CREATE TABLE gc_candidate (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX gc_candidate_due ON gc_candidate (due_at);

CREATE TABLE gc_hold (
    id         TEXT NOT NULL PRIMARY KEY,
    until_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE lease (
    name     TEXT NOT NULL PRIMARY KEY,
    holder   TEXT NOT NULL,
    until_at INTEGER NOT NULL,
    fence    INTEGER NOT NULL
) STRICT;

-- The audit trail: one row a write, in its own transaction; without foreign keys, as it outlives what it names.
CREATE TABLE change (
    request_id TEXT NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    resource   TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    sealed_seq INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX change_unsealed ON change (at) WHERE sealed_seq IS NULL;

CREATE TABLE audit_root (
    seq       INTEGER NOT NULL PRIMARY KEY,
    first     TEXT NOT NULL,
    last      TEXT NOT NULL,
    root      TEXT NOT NULL,
    prev      TEXT NOT NULL,
    signature BLOB
) STRICT;

CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    body     TEXT NOT NULL,
    next_try INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_next_try ON outbox (next_try);

-- Bytes a namespace uses: deltas equal to the memberships really made, summed up by a reducer; no hot row.
CREATE TABLE usage_delta (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    ns    INTEGER NOT NULL REFERENCES namespace (id),
    bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE usage_total (
    ns    INTEGER NOT NULL PRIMARY KEY REFERENCES namespace (id),
    bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE policy (
    id   TEXT NOT NULL PRIMARY KEY,
    ns   INTEGER REFERENCES namespace (id),
    body TEXT NOT NULL
) STRICT;

-- Raised with each change of policy, so that every replica sees it with its next query.
CREATE TABLE auth_epoch (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO auth_epoch (id, epoch) VALUES (1, 1);

CREATE TABLE cred_epoch (
    subject TEXT NOT NULL PRIMARY KEY,
    epoch   INTEGER NOT NULL
) STRICT;
