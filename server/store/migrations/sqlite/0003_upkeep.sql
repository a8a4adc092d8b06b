-- What looks after the store: when bytes went, where the sweep is, and which life of the database comes next. Servers
-- of schema versions 1 and 2 go on serving beside it; they collect nothing.

-- The bytes of a dead segment are gone since then. The row stays for a while, so that a commit that comes late loses.
ALTER TABLE segment ADD COLUMN gone_at INTEGER;
DROP INDEX segment_dead;
CREATE INDEX segment_dead ON segment (dead_at) WHERE state = 'dead' AND gone_at IS NULL;
CREATE INDEX segment_gone ON segment (gone_at) WHERE gone_at IS NOT NULL;

-- Set while the storage's marker is being changed: either of the two is this database's.
ALTER TABLE store_info ADD COLUMN next_incarnation TEXT;

-- Where the database was when it was last sure to be the only one of its kind: a copy is elsewhere.
ALTER TABLE store_info ADD COLUMN home TEXT;

-- Where a background pass goes on.
CREATE TABLE pass (
    name  TEXT NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL
) STRICT;

UPDATE schema_info SET version = 3, min_server = 1;
