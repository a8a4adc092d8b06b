-- Who may do what. Servers of schema version 3 go on beside it; they know the fixed roles alone.

-- Policies of the REST API have no namespace; a bucket's own policy has its bucket's.
ALTER TABLE policy ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE policy ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;

-- Whether the shipped roles were put in.
ALTER TABLE auth_epoch ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;

-- Accounts of programs.
CREATE TABLE account (
    name        TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    roles       TEXT NOT NULL,
    groups      TEXT NOT NULL,
    disabled    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);

-- Access keys of accounts and of people; the secret is closed with a key that is not in the database. `held`: what a person
-- was called when they made it, for what is denied to them; a JSON list.
CREATE TABLE access_key (
    id          TEXT NOT NULL PRIMARY KEY,
    owner       TEXT NOT NULL,
    held        TEXT NOT NULL,
    description TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    disabled    INTEGER NOT NULL,
    expires_at  INTEGER,
    created_at  INTEGER NOT NULL
);
CREATE INDEX access_key_owner ON access_key (owner, id);

-- Raised by each change of accounts, access keys and revocations (cred_epoch: the second up to which tokens are void).
ALTER TABLE auth_epoch ADD COLUMN identities INTEGER NOT NULL DEFAULT 1;

-- A bucket's own policy is a row of policy with its namespace. What of a bucket must not be public: 1 or 0 each. Both keep
-- a server of schema version 3 from removing the bucket, whose rules replicas would go on deciding by.
CREATE INDEX policy_ns ON policy (ns) WHERE ns IS NOT NULL;
CREATE TABLE public_access_block (
    ns                      INTEGER NOT NULL PRIMARY KEY REFERENCES namespace (id),
    block_public_acls       INTEGER NOT NULL,
    ignore_public_acls      INTEGER NOT NULL,
    block_public_policy     INTEGER NOT NULL,
    restrict_public_buckets INTEGER NOT NULL
) STRICT;

-- The audit trail: also reads and denials, with where they came from. `request` is the id that the client got, where it
-- is not the row's own key. Empty: not known, or of a server of schema version 3.
ALTER TABLE change ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN method TEXT NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE change ADD COLUMN policy TEXT NOT NULL DEFAULT '';
-- What a write came to: a JSON object, such as where a tag pointed before.
ALTER TABLE change ADD COLUMN details TEXT NOT NULL DEFAULT '';
CREATE INDEX change_time ON change (at, request_id);
CREATE INDEX change_actor ON change (actor, at, request_id);
CREATE INDEX change_resource ON change (resource, at, request_id);
CREATE INDEX change_batch ON change (sealed_seq, request_id) WHERE sealed_seq IS NOT NULL;

-- A sealed batch: how many rows, when the newest of them was, and the key of the signature. Of a dropped one the rows
-- are gone, and a second signature says that it was by the store.
ALTER TABLE audit_root ADD COLUMN row_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_root ADD COLUMN newest_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_root ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_root ADD COLUMN dropped_at INTEGER;
ALTER TABLE audit_root ADD COLUMN drop_signature BLOB;
CREATE INDEX audit_root_kept ON audit_root (newest_at) WHERE dropped_at IS NULL;

UPDATE schema_info SET version = 4, min_server = 1;
