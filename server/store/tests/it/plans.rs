//! The plan of each page of a list over 100,000 entries: one range of an index, whose cost does not grow with the
//! place in the list.

use sqlx::{AssertSqlSafe, Row as _};
use zot_domain::ports::metadata::Metadata as _;
use zot_store::Dialect;

use crate::database::Fresh;
use crate::make::{publish, repository, sha256};
use crate::on_both;

on_both! {
    a_page_of_tags_is_a_range_of_an_index,
    a_page_of_the_catalog_is_a_range_of_an_index,
    a_batch_of_garbage_is_a_range_of_an_index,
    a_page_of_the_audit_trail_is_a_range_of_an_index,
}

const ENTRIES: i64 = 100_000;

/// `n` from 1 to [`ENTRIES`] as a table `numbers`.
pub(crate) fn numbers(dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("(SELECT n FROM generate_series(1, {ENTRIES}) AS s(n)) AS numbers"),
        Dialect::Sqlite => format!(
            "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ENTRIES}) SELECT n FROM s) AS numbers"
        ),
    }
}

/// A number with leading zeros.
fn padded(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "lpad(CAST(n AS TEXT), 7, '0')",
        Dialect::Sqlite => "printf('%07d', n)",
    }
}

/// The plan of a statement, its `$1`, `$2`, … replaced by literals. It is shown in the test's output.
pub(crate) async fn plan(store: &Fresh, name: &str, values: &[&str]) -> String {
    let statement = zot_store::statements().find(|statement| statement.name == name).unwrap();
    let mut text = statement.text(store.dialect()).to_owned();
    // from the last: `$1` begins `$10`
    for (index, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), value);
    }
    let (explain, column) = match store.dialect() {
        Dialect::Postgres => ("EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF, COSTS OFF)", 0),
        Dialect::Sqlite => ("EXPLAIN QUERY PLAN", 3),
    };
    let rows = sqlx::query(AssertSqlSafe(format!("{explain} {text}"))).fetch_all(store.raw_pool()).await.unwrap();
    let plan = rows.iter().map(|row| row.get::<String, _>(column)).collect::<Vec<_>>().join("\n");
    println!("{name} {values:?} on {:?}:\n{plan}\n", store.dialect());
    plan
}

/// No sort and no scan of a table; on Postgres also that no more rows were read than the page has.
fn assert_is_a_range(store: &Fresh, plan: &str, index: &str) {
    assert!(plan.contains(index), "{plan}");
    match store.dialect() {
        Dialect::Postgres => {
            assert!(plan.contains("Index"), "{plan}");
            assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
            assert!(!plan.contains("Rows Removed"), "{plan}");
            let most = plan
                .split("rows=")
                .skip(1)
                .filter_map(|rest| rest.split([' ', '.', ')']).next().and_then(|rows| rows.parse::<u64>().ok()));
            assert!(most.max().unwrap() <= 1001, "{plan}");
        }
        Dialect::Sqlite => {
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}

pub(crate) async fn analyze(store: &Fresh) {
    store.execute("ANALYZE".to_owned()).await;
}

async fn a_page_of_tags_is_a_range_of_an_index(store: &Fresh) {
    publish(store, "team/a", "manifest", &[], &["first"]).await.unwrap();
    let (digest, from, name) = (sha256("manifest"), numbers(store.dialect()), padded(store.dialect()));
    store
        .execute(format!(
            "INSERT INTO tag (repo, name, digest, seq, updated_at)
             SELECT (SELECT id FROM repository WHERE name = 'team/a'), 'v' || {name}, '{digest}', 1, 1 FROM {from}"
        ))
        .await;
    // other repositories, or a planner would rather scan the only row of that table
    store
        .execute(format!(
            "INSERT INTO repository (ns, name, created_at)
             SELECT (SELECT id FROM namespace), 'team/r' || {name}, 1 FROM {from} WHERE n <= 10000"
        ))
        .await;
    analyze(store).await;
    let index = if store.dialect() == Dialect::Postgres { "tag_pkey" } else { "PRIMARY KEY" };
    for after in ["''", "'v0050000'", "'v0099500'"] {
        assert_is_a_range(store, &plan(store, "SELECT_TAGS", &["'team/a'", after, "1001"]).await, index);
    }
    let page = store.tags(&repository("team/a"), "v0099998", 1001).await.unwrap().unwrap();
    assert_eq!(page, ["v0099999", "v0100000"]);
}

async fn a_page_of_the_catalog_is_a_range_of_an_index(store: &Fresh) {
    publish(store, "team/a", "manifest", &[], &[]).await.unwrap();
    let (from, name) = (numbers(store.dialect()), padded(store.dialect()));
    store
        .execute(format!(
            "INSERT INTO repository (ns, name, created_at) SELECT (SELECT id FROM namespace), 'team/r' || {name}, 1 FROM {from}"
        ))
        .await;
    analyze(store).await;
    let index =
        if store.dialect() == Dialect::Postgres { "repository_name_key" } else { "sqlite_autoindex_repository_1" };
    for after in ["''", "'team/r0050000'", "'team/r0099500'"] {
        assert_is_a_range(store, &plan(store, "SELECT_REPOSITORIES", &[after, "1001"]).await, index);
    }
    assert_eq!(store.repositories("team/r0099998", 1001).await.unwrap(), ["team/r0099999", "team/r0100000"]);
}

async fn a_batch_of_garbage_is_a_range_of_an_index(store: &Fresh) {
    let (from, name) = (numbers(store.dialect()), padded(store.dialect()));
    for sql in [
        format!("INSERT INTO gc_candidate (kind, id, due_at) SELECT 'blob', {name}, n FROM {from}"),
        format!("INSERT INTO segment (key, state, start, size, dead_at) SELECT {name}, 'dead', 0, 1, n FROM {from}"),
        format!(
            "INSERT INTO upload (id, kind, target, actor, state, epoch, length, hash_state, tail, expires_at)
             SELECT {name}, 'oci', 't', 'a', 'open', 0, 0, CAST('' AS {bytes}), CAST('' AS {bytes}), n FROM {from}",
            bytes = if store.dialect() == Dialect::Postgres { "BYTEA" } else { "BLOB" }
        ),
    ] {
        store.execute(sql).await;
    }
    analyze(store).await;
    for (statement, values, index) in [
        ("SELECT_CANDIDATES", &["CAST(3600 AS BIGINT)", "200"][..], "gc_candidate_due"),
        ("SELECT_DEAD", &["CAST(86400 AS BIGINT)", "1000"], "segment_dead"),
        ("SELECT_EXPIRED", &["200"], "upload_expires"),
    ] {
        assert_is_a_range(store, &plan(store, statement, values).await, index);
    }
}

async fn a_page_of_the_audit_trail_is_a_range_of_an_index(store: &Fresh) {
    let (from, name) = (numbers(store.dialect()), padded(store.dialect()));
    store
        .execute(format!(
            "INSERT INTO change (request_id, at, actor, action, resource, outcome, sealed_seq)
             SELECT {name}, n, 'key:' || (n % 100), 'read', 'repository:r' || (n % 100), 'allowed',
                CASE WHEN n % 100 = 0 THEN NULL ELSE n / 1000 END FROM {from}"
        ))
        .await;
    analyze(store).await;
    for (which, actor, resource, index) in [
        ("", "''", "''", "change_time"),
        ("_OF_ACTOR", "'key:3'", "''", "change_actor"),
        ("_OF_RESOURCE", "''", "'repository:r3'", "change_resource"),
    ] {
        // where a short range is left any index will do
        for (order, far, place) in [
            ("NEWEST", "0", "100001"),
            ("NEWEST", "0", "60000"),
            ("OLDEST", "100001", "0"),
            ("OLDEST", "100001", "40000"),
        ] {
            let values = ["''", "''", actor, resource, far, place, "''", "101"];
            let plan = plan(store, &format!("SELECT_{order}{which}"), &values).await;
            assert_is_a_range(store, &plan, index);
            assert!(store.dialect() != Dialect::Sqlite || plan.contains("(at,request_id)"), "from its place: {plan}");
        }
    }
    // a whole index, of what is in no batch yet
    let unbatched = plan(store, "SELECT_UNBATCHED", &["500"]).await;
    assert!(unbatched.contains("change_unsealed") && !unbatched.contains("Sort"), "{unbatched}");
    assert!(!unbatched.contains("TEMP B-TREE"), "{unbatched}");
    assert_is_a_range(store, &plan(store, "SELECT_BATCH", &["7", "1001"]).await, "change_batch");
}
