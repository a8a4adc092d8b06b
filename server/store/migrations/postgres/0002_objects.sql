-- Objects of the S3 door. A server of schema version 1 goes on serving the OCI door beside it.

-- Settings of a bucket; none: the defaults.
CREATE TABLE bucket_config (
    ns         BIGINT NOT NULL PRIMARY KEY REFERENCES namespace (id),
    versioning TEXT COLLATE "C" NOT NULL CHECK (versioning IN ('off', 'enabled', 'suspended')),
    region     TEXT COLLATE "C",
    tags       TEXT COLLATE "C"
);

-- The newest version of each key. What a compare-and-set looks at is here: a row that is waited for is read anew,
-- a joined one is not.
CREATE TABLE object_head (
    ns         BIGINT NOT NULL REFERENCES namespace (id),
    key        TEXT COLLATE "C" NOT NULL,
    seq        BIGINT NOT NULL,
    version_id TEXT COLLATE "C" NOT NULL,
    etag       TEXT COLLATE "C" NOT NULL,
    live       BIGINT NOT NULL,
    lock_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (ns, key)
);
CREATE INDEX object_head_live ON object_head (ns, key) WHERE live = 1;

-- Versions; one without a blob is a delete marker. The manifest is a pure function of digest, size, content type and
-- key, as render_version has it; its digest is known once the blob is sealed.
CREATE TABLE object_version (
    ns              BIGINT NOT NULL,
    key             TEXT COLLATE "C" NOT NULL,
    seq             BIGINT NOT NULL,
    version_id      TEXT COLLATE "C" NOT NULL,
    blob            BIGINT REFERENCES blob (id),
    etag            TEXT COLLATE "C" NOT NULL,
    size            BIGINT NOT NULL,
    content_type    TEXT COLLATE "C" NOT NULL,
    headers         TEXT COLLATE "C" NOT NULL,
    meta            TEXT COLLATE "C" NOT NULL,
    tags            TEXT COLLATE "C" NOT NULL,
    checksums       TEXT COLLATE "C" NOT NULL,
    part_sizes      TEXT COLLATE "C",
    render_version  BIGINT NOT NULL,
    manifest_digest TEXT COLLATE "C",
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (ns, key, seq),
    UNIQUE (ns, key, version_id),
    FOREIGN KEY (ns, key) REFERENCES object_head (ns, key)
);
CREATE INDEX object_version_manifest ON object_version (ns, manifest_digest) WHERE manifest_digest IS NOT NULL;
CREATE INDEX object_version_blob ON object_version (blob) WHERE blob IS NOT NULL;
CREATE INDEX object_version_list ON object_version (ns, key, seq DESC);
ALTER TABLE blob ADD COLUMN sealed_at BIGINT;
-- Memberships that came of an object, not of a push: they go with it.
ALTER TABLE repo_blob ADD COLUMN adopted BIGINT NOT NULL DEFAULT 0;
CREATE INDEX blob_open ON blob (id) WHERE state = 'open';

-- What a multipart upload was begun with, and parts: append-only, the highest rev of a part counts.
ALTER TABLE upload ADD COLUMN ns BIGINT REFERENCES namespace (id);
ALTER TABLE upload ADD COLUMN input TEXT COLLATE "C";
ALTER TABLE upload ADD COLUMN result TEXT COLLATE "C";
ALTER TABLE upload ADD COLUMN begun_at BIGINT;
CREATE INDEX upload_objects ON upload (ns, target, id) WHERE kind = 's3';

CREATE TABLE part (
    upload     TEXT COLLATE "C" NOT NULL REFERENCES upload (id),
    part_no    BIGINT NOT NULL,
    rev        BIGINT NOT NULL,
    segment    TEXT COLLATE "C" NOT NULL REFERENCES segment (key),
    etag       TEXT COLLATE "C" NOT NULL,
    size       BIGINT NOT NULL,
    checksums  TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (upload, part_no, rev)
);
CREATE INDEX part_segment ON part (segment);

UPDATE schema_info SET version = 2, min_server = 1;

-- What statements call on both databases.
CREATE FUNCTION instr(text_ TEXT, part_ TEXT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE
    AS $$ SELECT strpos(text_, part_)::BIGINT $$;
CREATE DOMAIN c_text AS TEXT COLLATE "C";
