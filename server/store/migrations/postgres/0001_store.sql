-- The store's schema: all truth about artifacts. The rules behind it are in docs/STORE.md.
-- Times are microseconds since 1970 by the database's clock; names and digests compare bytewise.

-- Which servers can serve this schema: a server whose own schema version is below min_server refuses.
CREATE TABLE schema_info (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version    BIGINT NOT NULL,
    min_server BIGINT NOT NULL
);
INSERT INTO schema_info (id, version, min_server) VALUES (1, 1, 1);

-- Who this store is: the prefix of its keys in blob storage, and which life of the database this is.
CREATE TABLE store_info (
    id              BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id        TEXT COLLATE "C" NOT NULL,
    incarnation     TEXT COLLATE "C" NOT NULL,
    admin_generated BIGINT NOT NULL DEFAULT 0
);

-- First component of a repository name, and bucket. Never updated by traffic; an id is never used again.
CREATE TABLE namespace (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    owner      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE repository (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ns         BIGINT NOT NULL REFERENCES namespace (id),
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX repository_ns ON repository (ns);

-- Bytes. A sealed blob has names; one merged into another is read there.
CREATE TABLE blob (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size        BIGINT NOT NULL CHECK (size >= 0),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'sealed', 'quarantined')),
    merged_into BIGINT REFERENCES blob (id),
    touched_at  BIGINT NOT NULL
);
CREATE INDEX blob_merged_into ON blob (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE blob_name (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    blob   BIGINT NOT NULL REFERENCES blob (id)
);
CREATE INDEX blob_name_blob ON blob_name (blob);

CREATE TABLE blob_inline (
    blob  BIGINT NOT NULL PRIMARY KEY REFERENCES blob (id),
    bytes BYTEA NOT NULL
);

-- Keys in blob storage. A key has one row for ever: whoever inserts it first, commit or sweep, wins.
CREATE TABLE segment (
    key          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('staged', 'live', 'dead')),
    owner_upload TEXT COLLATE "C",
    blob         BIGINT REFERENCES blob (id),
    start        BIGINT NOT NULL,
    size         BIGINT NOT NULL,
    sha256       TEXT COLLATE "C",
    dead_at      BIGINT,
    UNIQUE (blob, start)
);
CREATE INDEX segment_dead ON segment (dead_at) WHERE state = 'dead';
CREATE INDEX segment_owner ON segment (owner_upload) WHERE owner_upload IS NOT NULL;

-- Membership: only what a repository references can be read through it.
CREATE TABLE repo_blob (
    repo       BIGINT NOT NULL REFERENCES repository (id),
    blob       BIGINT NOT NULL REFERENCES blob (id),
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (repo, blob)
);
CREATE INDEX repo_blob_blob ON repo_blob (blob);

CREATE TABLE manifest (
    repo           BIGINT NOT NULL,
    digest         TEXT COLLATE "C" NOT NULL,
    blob           BIGINT NOT NULL,
    media_type     TEXT COLLATE "C" NOT NULL,
    artifact_type  TEXT COLLATE "C",
    subject_digest TEXT COLLATE "C",
    annotations    TEXT COLLATE "C",
    created_at     BIGINT NOT NULL,
    touched_at     BIGINT NOT NULL,
    PRIMARY KEY (repo, digest),
    FOREIGN KEY (repo, blob) REFERENCES repo_blob (repo, blob)
);
CREATE INDEX manifest_subject ON manifest (repo, subject_digest, created_at, digest) WHERE subject_digest IS NOT NULL;
CREATE INDEX manifest_blob_owner ON manifest (repo, blob);

CREATE TABLE manifest_blob (
    repo   BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    blob   BIGINT NOT NULL,
    PRIMARY KEY (repo, digest, blob),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest),
    FOREIGN KEY (repo, blob) REFERENCES repo_blob (repo, blob)
);
CREATE INDEX manifest_blob_member ON manifest_blob (repo, blob);

-- Children of an index are text: they may be absent, and grant nothing.
CREATE TABLE manifest_child (
    repo         BIGINT NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL,
    child_digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repo, digest, child_digest),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest)
);

CREATE TABLE tag (
    repo       BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    digest     TEXT COLLATE "C" NOT NULL,
    seq        BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (repo, name),
    FOREIGN KEY (repo, digest) REFERENCES manifest (repo, digest)
);
CREATE INDEX tag_digest ON tag (repo, digest);

-- Which tag pointed where, when: no digest means that the tag was deleted.
CREATE TABLE tag_history (
    repo   BIGINT NOT NULL REFERENCES repository (id),
    name   TEXT COLLATE "C" NOT NULL,
    seq    BIGINT NOT NULL,
    digest TEXT COLLATE "C",
    actor  TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (repo, name, seq)
);

-- Upload sessions. hash_state covers the bytes in segments; tail holds those after them.
CREATE TABLE upload (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind         TEXT COLLATE "C" NOT NULL CHECK (kind IN ('oci', 's3')),
    target       TEXT COLLATE "C" NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'done', 'aborted')),
    epoch        BIGINT NOT NULL,
    length       BIGINT NOT NULL,
    hash_state   BYTEA NOT NULL,
    tail         BYTEA NOT NULL,
    last_request TEXT COLLATE "C",
    expires_at   BIGINT NOT NULL
);
CREATE INDEX upload_actor ON upload (actor, expires_at) WHERE state = 'open';
CREATE INDEX upload_expires ON upload (expires_at);

-- What garbage collection has to look at, and when; what holds it up; who runs it.
CREATE TABLE gc_candidate (
    kind   TEXT COLLATE "C" NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX gc_candidate_due ON gc_candidate (due_at);

CREATE TABLE gc_hold (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until_at   BIGINT NOT NULL
);

CREATE TABLE lease (
    name     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder   TEXT COLLATE "C" NOT NULL,
    until_at BIGINT NOT NULL,
    fence    BIGINT NOT NULL
);

-- The audit trail: one row a write, in its own transaction; without foreign keys, as it outlives what it names.
CREATE TABLE change (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL,
    resource   TEXT COLLATE "C" NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    sealed_seq BIGINT
);
CREATE INDEX change_unsealed ON change (at) WHERE sealed_seq IS NULL;

CREATE TABLE audit_root (
    seq       BIGINT NOT NULL PRIMARY KEY,
    first     TEXT COLLATE "C" NOT NULL,
    last      TEXT COLLATE "C" NOT NULL,
    root      TEXT COLLATE "C" NOT NULL,
    prev      TEXT COLLATE "C" NOT NULL,
    signature BYTEA
);

CREATE TABLE outbox (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body     TEXT COLLATE "C" NOT NULL,
    next_try BIGINT NOT NULL
);
CREATE INDEX outbox_next_try ON outbox (next_try);

-- Bytes a namespace uses: deltas equal to the memberships really made, summed up by a reducer; no hot row.
CREATE TABLE usage_delta (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ns    BIGINT NOT NULL REFERENCES namespace (id),
    bytes BIGINT NOT NULL
);

CREATE TABLE usage_total (
    ns    BIGINT NOT NULL PRIMARY KEY REFERENCES namespace (id),
    bytes BIGINT NOT NULL
);

CREATE TABLE policy (
    id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    ns   BIGINT REFERENCES namespace (id),
    body TEXT COLLATE "C" NOT NULL
);

-- Raised with each change of policy, so that every replica sees it with its next query.
CREATE TABLE auth_epoch (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);
INSERT INTO auth_epoch (id, epoch) VALUES (1, 1);

CREATE TABLE cred_epoch (
    subject TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    epoch   BIGINT NOT NULL
);

-- What statements call on both databases; on SQLite the server puts the twin in their place.
CREATE FUNCTION now_us() RETURNS BIGINT LANGUAGE SQL VOLATILE
    AS $$ SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT $$;
CREATE FUNCTION json_list(list TEXT) RETURNS TABLE (value TEXT) LANGUAGE SQL IMMUTABLE ROWS 10
    AS $$ SELECT value FROM json_array_elements_text(list::json) $$;
