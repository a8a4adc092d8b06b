//! What must hold of the rows after any writes in any order.

use sqlx::Row as _;

use crate::database::Fresh;

/// Each gives rows that say what is wrong.
const INVARIANTS: &[&str] = &[
    "SELECT 'blob ' || b.id || ' has not its bytes' FROM blob b LEFT JOIN blob_inline i ON i.blob = b.id
        WHERE b.merged_into IS NULL AND b.state <> 'quarantined' AND CASE WHEN i.blob IS NOT NULL THEN OCTET_LENGTH(i.bytes) <> b.size
            ELSE b.size <> (SELECT COALESCE(SUM(s.size), 0) FROM segment s WHERE s.blob = b.id AND s.state = 'live') END",
    "SELECT 'blob ' || blob || ' has a gap at ' || expected FROM (SELECT blob, start,
            LAG(start + size, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY blob ORDER BY start) AS expected
            FROM segment WHERE state = 'live') AS run WHERE start <> expected",
    "SELECT 'blob ' || b.id || ' is sealed without a name' FROM blob b WHERE b.state = 'sealed' AND b.merged_into IS NULL
        AND NOT EXISTS (SELECT 1 FROM blob_name n WHERE n.blob = b.id AND SUBSTR(n.digest, 1, 7) = 'sha256:')",
    "SELECT 'blob ' || b.id || ' is merged over two hops' FROM blob b JOIN blob w ON w.id = b.merged_into
        WHERE w.merged_into IS NOT NULL",
    "SELECT 'name ' || n.digest || ' leads to a merged blob' FROM blob_name n JOIN blob b ON b.id = n.blob
        WHERE b.merged_into IS NOT NULL",
    "SELECT 'segment ' || key || ' is ' || state || ' wrongly' FROM segment s WHERE CASE state
        WHEN 'live' THEN blob IS NULL OR owner_upload IS NOT NULL
        WHEN 'staged' THEN blob IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM upload u WHERE u.id = s.owner_upload AND u.state = 'open')
        ELSE owner_upload IS NOT NULL OR dead_at IS NULL END",
    "SELECT 'session ' || u.id || ' holds other bytes than it says' FROM upload u WHERE u.kind = 'oci' AND u.state = 'open'
        AND u.length <> OCTET_LENGTH(u.tail)
            + (SELECT COALESCE(SUM(s.size), 0) FROM segment s WHERE s.owner_upload = u.id AND s.state = 'staged')",
    "SELECT 'session ' || owner_upload || ' has a gap' FROM (SELECT s.owner_upload, s.start,
            LAG(s.start + s.size, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY s.owner_upload ORDER BY s.start) AS expected
            FROM segment s JOIN upload u ON u.id = s.owner_upload AND u.kind = 'oci' WHERE s.state = 'staged') AS run
        WHERE start <> expected",
    "SELECT 'part ' || p.part_no || ' has no staged segment' FROM part p JOIN segment s ON s.key = p.segment
        WHERE s.state <> 'staged'",
    "SELECT 'tag ' || t.name || ' is not what its history ends with' FROM tag t LEFT JOIN LATERAL
            (SELECT h.seq, h.digest FROM tag_history h WHERE h.repo = t.repo AND h.name = t.name
            ORDER BY h.seq DESC LIMIT 1) AS h ON TRUE
        WHERE h.seq IS DISTINCT FROM t.seq OR h.digest IS DISTINCT FROM t.digest",
    "SELECT 'tag ' || h.name || ' is gone, but its history goes on' FROM tag_history h
        WHERE h.digest IS NOT NULL AND h.seq = (SELECT MAX(n.seq) FROM tag_history n WHERE n.repo = h.repo AND n.name = h.name)
            AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repo = h.repo AND t.name = h.name)",
    "SELECT 'head of ' || h.key || ' is not its newest version' FROM object_head h LEFT JOIN LATERAL
            (SELECT v.seq, v.version_id, v.etag, v.blob FROM object_version v WHERE v.ns = h.ns AND v.key = h.key
            ORDER BY v.seq DESC LIMIT 1) AS v ON TRUE
        WHERE CASE h.live WHEN 1 THEN (h.seq, h.version_id, h.etag) IS DISTINCT FROM (v.seq, v.version_id, v.etag)
            OR v.blob IS NULL ELSE v.blob IS NOT NULL END",
    "SELECT 'a version of ' || v.key || ' has no manifest digest, but digested bytes' FROM object_version v
        JOIN blob b ON b.id = v.blob WHERE b.state = 'sealed' AND v.manifest_digest IS NULL",
    "SELECT 'a version of ' || v.key || ' points to a merged blob' FROM object_version v JOIN blob b ON b.id = v.blob
        WHERE b.merged_into IS NOT NULL",
    "SELECT 'usage of ' || n.name || ' is booked as ' || booked || ', but is ' || used FROM (SELECT n.name,
            (SELECT COALESCE(SUM(d.bytes), 0) FROM usage_delta d WHERE d.ns = n.id)
                + (SELECT COALESCE(SUM(t.bytes), 0) FROM usage_total t WHERE t.ns = n.id) AS booked,
            (SELECT COALESCE(SUM(b.size), 0) FROM repository r JOIN repo_blob m ON m.repo = r.id AND m.adopted = 0
                    JOIN blob b ON b.id = m.blob WHERE r.ns = n.id)
                + (SELECT COALESCE(SUM(v.size), 0) FROM object_version v WHERE v.ns = n.id) AS used
        FROM namespace n) AS n WHERE booked <> used",
    "SELECT 'nobody will collect blob ' || b.id FROM blob b WHERE NOT EXISTS (SELECT 1 FROM repo_blob m WHERE m.blob = b.id)
        AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
        AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'blob' AND c.id = CAST(b.id AS TEXT))",
    "SELECT 'blob ' || b.id || ' lost its last reference, but is not fresh' FROM blob b
        WHERE NOT EXISTS (SELECT 1 FROM repo_blob m WHERE m.blob = b.id)
        AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id) AND b.touched_at < now_us() - 1000000000
        AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'blob' AND c.id = CAST(b.id AS TEXT) AND c.due_at = 1)",
    "SELECT 'nobody will collect blob ' || m.blob || ' out of repository ' || m.repo FROM repo_blob m
        WHERE m.adopted = 0 AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = m.repo AND e.blob = m.blob)
        AND NOT EXISTS (SELECT 1 FROM manifest f WHERE f.repo = m.repo AND f.blob = m.blob)
        AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'repo_blob' AND c.id = m.repo || '/' || m.blob)",
];

/// Fails with all that is wrong.
pub(crate) async fn hold(store: &Fresh) {
    let all = INVARIANTS.join(" UNION ALL ");
    let rows = sqlx::query(sqlx::AssertSqlSafe(all)).fetch_all(store.raw_pool()).await.unwrap();
    let wrong: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What empties the tables that a migrated store has empty: much quicker than a new database.
pub(crate) async fn emptying(store: &Fresh) -> String {
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let mut statements = "BEGIN; SET LOCAL session_replication_role = replica;".to_owned();
    for row in sqlx::query(tables).fetch_all(store.raw_pool()).await.unwrap() {
        let table: String = row.get(0);
        let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        if sqlx::query(count).fetch_one(store.raw_pool()).await.unwrap().get::<i64, _>(0) == 0 {
            statements.extend(["DELETE FROM ", &table, ";"]);
        }
    }
    statements + "COMMIT"
}
