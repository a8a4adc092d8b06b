-- Objects of the S3 door. A server of schema version 1 goes on serving the OCI door beside it.

-- Settings of a bucket; none: the defaults.
CREATE TABLE bucket_config (
    ns         INTEGER NOT NULL PRIMARY KEY REFERENCES namespace (id),
    versioning TEXT NOT NULL CHECK (versioning IN ('off', 'enabled', 'suspended')),
    region     TEXT,
    tags       TEXT
) STRICT;

-- The newest version of each key. What a compare-and-set looks at is here: a row that is waited for is read anew,
-- a joined one is not.
CREATE TABLE object_head (
    ns         INTEGER NOT NULL REFERENCES namespace (id),
    key        TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    version_id TEXT NOT NULL,
    etag       TEXT NOT NULL,
    live       INTEGER NOT NULL,
    lock_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ns, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_head_live ON object_head (ns, key) WHERE live = 1;

-- Versions; one without a blob is a delete marker. The manifest is a pure function of digest, size, content type and
-- key, as render_version has it; its digest is known once the blob is sealed.
CREATE TABLE object_version (
    ns              INTEGER NOT NULL,
    key             TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    version_id      TEXT NOT NULL,
    blob            INTEGER REFERENCES blob (id),
    etag            TEXT NOT NULL,
    size            INTEGER NOT NULL,
    content_type    TEXT NOT NULL,
    headers         TEXT NOT NULL,
    meta            TEXT NOT NULL,
    tags            TEXT NOT NULL,
    checksums       TEXT NOT NULL,
    part_sizes      TEXT,
    render_version  INTEGER NOT NULL,
    manifest_digest TEXT,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (ns, key, seq),
    UNIQUE (ns, key, version_id),
    FOREIGN KEY (ns, key) REFERENCES object_head (ns, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_version_manifest ON object_version (ns, manifest_digest) WHERE manifest_digest IS NOT NULL;
CREATE INDEX object_version_blob ON object_version (blob) WHERE blob IS NOT NULL;
CREATE INDEX object_version_list ON object_version (ns, key, seq DESC);
ALTER TABLE blob ADD COLUMN sealed_at INTEGER;
-- Memberships that came of an object, not of a push: they go with it.
ALTER TABLE repo_blob ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX blob_open ON blob (id) WHERE state = 'open';

-- What a multipart upload was begun with, and parts: append-only, the highest rev of a part counts.
ALTER TABLE upload ADD COLUMN ns INTEGER REFERENCES namespace (id);
ALTER TABLE upload ADD COLUMN input TEXT;
ALTER TABLE upload ADD COLUMN result TEXT;
ALTER TABLE upload ADD COLUMN begun_at INTEGER;
CREATE INDEX upload_objects ON upload (ns, target, id) WHERE kind = 's3';

CREATE TABLE part (
    upload     TEXT NOT NULL REFERENCES upload (id),
    part_no    INTEGER NOT NULL,
    rev        INTEGER NOT NULL,
    segment    TEXT NOT NULL REFERENCES segment (key),
    etag       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    checksums  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (upload, part_no, rev)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_segment ON part (segment);

UPDATE schema_info SET version = 2, min_server = 1;
