-- Who may do what. Servers of schema version 3 go on beside it; they know the fixed roles alone.

-- Policies of the REST API have no namespace; a bucket's own policy has its bucket's.
ALTER TABLE policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- Whether the shipped roles were put in.
ALTER TABLE auth_epoch ADD COLUMN ready BIGINT NOT NULL DEFAULT 0;

UPDATE schema_info SET version = 4, min_server = 1;
