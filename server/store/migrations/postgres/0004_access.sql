-- Who may do what. Servers of schema version 3 go on beside it; they know the fixed roles alone.

-- Policies of the REST API have no namespace; a bucket's own policy has its bucket's.
ALTER TABLE policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- Whether the shipped roles were put in.
ALTER TABLE auth_epoch ADD COLUMN ready BIGINT NOT NULL DEFAULT 0;

-- Accounts of programs.
CREATE TABLE account (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    description TEXT COLLATE "C" NOT NULL,
    roles       TEXT COLLATE "C" NOT NULL,
    groups      TEXT COLLATE "C" NOT NULL,
    disabled    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

-- Access keys of accounts and of people; the secret is closed with a key that is not in the database. `held`: what a person
-- was called when they made it, for what is denied to them; a JSON list.
CREATE TABLE access_key (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner       TEXT COLLATE "C" NOT NULL,
    held        TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    sealed      BYTEA NOT NULL,
    disabled    BIGINT NOT NULL,
    expires_at  BIGINT,
    created_at  BIGINT NOT NULL
);
CREATE INDEX access_key_owner ON access_key (owner, id);

-- Raised by each change of accounts, access keys and revocations (cred_epoch: the second up to which tokens are void).
ALTER TABLE auth_epoch ADD COLUMN identities BIGINT NOT NULL DEFAULT 1;

-- A bucket's own policy is a row of policy with its namespace. What of a bucket must not be public: 1 or 0 each. Both keep
-- a server of schema version 3 from removing the bucket, whose rules replicas would go on deciding by.
CREATE INDEX policy_ns ON policy (ns) WHERE ns IS NOT NULL;
CREATE TABLE public_access_block (
    ns                      BIGINT NOT NULL PRIMARY KEY REFERENCES namespace (id),
    block_public_acls       BIGINT NOT NULL,
    ignore_public_acls      BIGINT NOT NULL,
    block_public_policy     BIGINT NOT NULL,
    restrict_public_buckets BIGINT NOT NULL
);

-- The audit trail: also reads and denials, with where they came from. `request` is the id that the client got, where it
-- is not the row's own key. Empty: not known, or of a server of schema version 3.
ALTER TABLE change ADD COLUMN request TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN address TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN method TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN user_agent TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN reason TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN policy TEXT COLLATE "C" NOT NULL DEFAULT '';
-- What a write came to: a JSON object, such as where a tag pointed before.
ALTER TABLE change ADD COLUMN details TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX change_time ON change (at, request_id);
CREATE INDEX change_actor ON change (actor, at, request_id);
CREATE INDEX change_resource ON change (resource, at, request_id);
CREATE INDEX change_batch ON change (sealed_seq, request_id) WHERE sealed_seq IS NOT NULL;

-- A sealed batch: how many rows, when the newest of them was, and the key of the signature. Of a dropped one the rows
-- are gone, and a second signature says that it was by the store.
ALTER TABLE audit_root ADD COLUMN row_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_root ADD COLUMN newest_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_root ADD COLUMN key_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit_root ADD COLUMN dropped_at BIGINT;
ALTER TABLE audit_root ADD COLUMN drop_signature BYTEA;
CREATE INDEX audit_root_kept ON audit_root (newest_at) WHERE dropped_at IS NULL;

-- A field of a JSON object, by a path such as '$.name'; SQLite has the like.
CREATE FUNCTION json_text(item TEXT, path TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE
    AS $$ SELECT item::json ->> SUBSTR(path, 3) $$;

UPDATE schema_info SET version = 4, min_server = 1;
