-- A manifest is no blob of its repository. Servers of earlier versions continue to serve beside it; they still serve
-- manifests as blobs.

-- 1: only a manifest's own bytes made it a member, so it is no blob of the repository.
ALTER TABLE repo_blob ADD COLUMN manifest_only INTEGER NOT NULL DEFAULT 0;
UPDATE repo_blob SET manifest_only = 1
    WHERE EXISTS (SELECT 1 FROM manifest m WHERE m.repo = repo_blob.repo AND m.blob = repo_blob.blob)
        AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = repo_blob.repo AND e.blob = repo_blob.blob);

UPDATE schema_info SET version = 6, min_server = 1;
