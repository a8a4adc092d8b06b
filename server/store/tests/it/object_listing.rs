//! Listings of objects: byte order, prefixes, delimiters, versions, and what a page costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection as _, SqliteConnection};
use zot_core::object_key::{LAST, NEXT};
use zot_domain::ports::objects::{Entry, ListQuery, Objects as _, VersionsQuery};

use crate::database::Fresh;
use crate::objects::{bucket, object};
use crate::on_both;
use crate::plans::{analyze, numbers, plan};

on_both! {
    objects_come_in_byte_order,
    prefixes_are_rolled_up,
    versions_come_newest_first,
    a_page_of_a_large_bucket_costs_its_entries,
}

const KEYS: [&str; 12] = ["a", "a/1", "a/2", "a/b/1", "a0", "b", "b/", "b/1", "c//d", "dir/x", "ü/1", "ü/2"];

async fn filled(store: &Fresh) {
    bucket(store, "team").await;
    for key in KEYS {
        store.put_object(object(key, "text")).await.unwrap();
    }
}

async fn list(store: &Fresh, prefix: &str, delimiter: Option<&str>, after: &str, limit: u32) -> Vec<String> {
    let query = ListQuery { bucket: "team", prefix, delimiter, after, limit };
    let name = |entry| match entry {
        Entry::Object(object) => object.key,
        Entry::Prefix(prefix) => format!("{prefix} +"),
    };
    store.list(query).await.unwrap().into_iter().map(name).collect()
}

async fn objects_come_in_byte_order(store: &Fresh) {
    filled(store).await;
    assert_eq!(list(store, "", None, "", 100).await, KEYS);
    assert_eq!(list(store, "a", None, "", 100).await, KEYS[..5]);
    assert_eq!(list(store, "", None, "a/2", 3).await, KEYS[3..6]);
    assert_eq!(list(store, "a/", None, "a/1", 100).await, ["a/2", "a/b/1"]);
    assert_eq!(
        list(store, "a/", None, "a", 100).await,
        ["a/1", "a/2", "a/b/1"],
        "a page that begins before the prefix"
    );
    assert_eq!(list(store, "b/", None, "", 100).await, ["b/", "b/1"], "the prefix itself is a key");
    assert_eq!(list(store, "b/", None, "b/", 100).await, ["b/1"]);
    assert_eq!(list(store, "a/", None, "a0", 100).await, [""; 0], "a page that begins behind the prefix");
    assert_eq!(list(store, "x", None, "", 100).await, [""; 0]);
    assert_eq!(list(store, "a%", None, "", 100).await, [""; 0], "a prefix is no pattern");
}

async fn prefixes_are_rolled_up(store: &Fresh) {
    filled(store).await;
    let root = ["a", "a/ +", "a0", "b", "b/ +", "c/ +", "dir/ +", "ü/ +"];
    assert_eq!(list(store, "", Some("/"), "", 100).await, root);
    assert_eq!(list(store, "a/", Some("/"), "", 100).await, ["a/1", "a/2", "a/b/ +"]);
    assert_eq!(list(store, "b/", Some("/"), "", 100).await, ["b/", "b/1"]);
    assert_eq!(list(store, "b/", Some("/"), "b/", 100).await, ["b/1"]);
    assert_eq!(list(store, "a/", Some("/"), "a", 2).await, ["a/1", "a/2"]);
    assert_eq!(list(store, "a/", Some("/"), "a/2", 100).await, ["a/b/ +"]);
    assert_eq!(list(store, "c/", Some("/"), "", 100).await, ["c// +"]);
    assert_eq!(list(store, "", Some("//"), "", 100).await[8..10], ["c// +", "dir/x"]);
    assert_eq!(list(store, "ü", Some("/"), "", 100).await, ["ü/ +"]);
    assert_eq!(list(store, "", Some("/"), "a/1", 2).await, ["a/ +", "a0"], "inside a prefix, it counts still");
    let behind = format!("a/{LAST}");
    assert_eq!(list(store, "", Some("/"), &behind, 2).await, ["a0", "b"]);
    assert_eq!(list(store, "", Some("/"), "", 3).await, root[..3]);
}

async fn versions_come_newest_first(store: &Fresh) {
    filled(store).await;
    store.execute("INSERT INTO bucket_config (ns, versioning) SELECT id, 'enabled' FROM namespace".to_owned()).await;
    for text in ["2", "3"] {
        store.put_object(object("a/1", text)).await.unwrap();
    }
    let query = VersionsQuery { bucket: "team", prefix: "a", after_key: "", after_seq: None, limit: 5 };
    let page = store.list_versions(query).await.unwrap();
    let found: Vec<_> = page.iter().map(|version| (version.key.as_str(), version.seq, version.latest)).collect();
    assert_eq!(found, [("a", 1, true), ("a/1", 3, true), ("a/1", 2, false), ("a/1", 1, false), ("a/2", 1, true)]);
    let query = VersionsQuery { bucket: "team", prefix: "a", after_key: "a/1", after_seq: Some(2), limit: 2 };
    let page = store.list_versions(query).await.unwrap();
    assert_eq!(page.iter().map(|v| (v.key.as_str(), v.seq)).collect::<Vec<_>>(), [("a/1", 1), ("a/2", 1)]);
}

/// 100,000 keys in 1,000 prefixes.
async fn a_page_of_a_large_bucket_costs_its_entries(store: &Fresh) {
    bucket(store, "team").await;
    store.put_object(object("p0000/000", "text")).await.unwrap();
    let (from, dialect) = (numbers(store.dialect()), store.dialect());
    let key = match dialect {
        zot_store::Dialect::Postgres => {
            "'p' || lpad(CAST(n % 1000 AS TEXT), 4, '0') || '/' || lpad(CAST(n / 1000 + 1 AS TEXT), 3, '0')"
        }
        zot_store::Dialect::Sqlite => "printf('p%04d/%03d', n % 1000, n / 1000 + 1)",
    };
    store
        .execute(format!(
            "INSERT INTO object_head (ns, key, seq, version_id, etag, live)
                SELECT (SELECT id FROM namespace), {key}, 1, 'null', 'e', 1 FROM {from};
            INSERT INTO object_version (ns, key, seq, version_id, blob, etag, size, content_type, headers, meta, tags, checksums,
                    render_version, created_at)
                SELECT h.ns, h.key, 1, 'null', (SELECT MIN(id) FROM blob), 'e', 4, 'text/plain', '{{}}', '{{}}', '{{}}',
                    '{{\"values\":{{}}}}', 1, 1 FROM object_head h WHERE h.key <> 'p0000/000'"
        ))
        .await;
    if dialect == zot_store::Dialect::Sqlite {
        a_page_costs_the_same_steps_everywhere(store).await;
    }
    analyze(store).await;
    assert_eq!(list(store, "", Some("/"), "", 1001).await.len(), 1000);
    assert_eq!(list(store, "p0500/", None, "", 1000).await.len(), 100);
    let bound = format!("'{LAST}'");
    let flat = ["'team'", "'p0900/050'", &bound, "1001"];
    let next = format!("'{NEXT}'");
    let rolled = ["'team'", &next, &bound, "'p0900/050'", "1", "'/'", &bound, "1001"];
    for (name, values) in [("LIST_FLAT", &flat[..]), ("LIST_ROLLED_UP", &rolled[..])] {
        let plan = plan(store, name, values).await;
        match dialect {
            zot_store::Dialect::Postgres => {
                assert!(plan.contains("object_head_live") || plan.contains("object_head_pkey"), "{plan}");
                assert!(!plan.contains("Seq Scan on object"), "{plan}");
            }
            zot_store::Dialect::Sqlite => {
                assert!(!plan.contains("SCAN h") && !plan.contains("SCAN v") && !plan.contains("SCAN k"), "{plan}");
            }
        }
    }
}

/// A plan of SQLite does not tell what a search steps through, and without statistics, as in a server, it is another one.
async fn a_page_costs_the_same_steps_everywhere(store: &Fresh) {
    let (bound, next) = (LAST.to_string(), NEXT.to_string());
    let flat = |first| steps(store, "LIST_FLAT", ["team", first, &bound, "100"]);
    let (near, far) = (flat("p0000/001").await, flat("p0998/001").await);
    assert!(far < 2 * near, "a page costs {near} steps at the beginning, {far} at the end");
    let (first, bound) = ("p0500/", format!("p0500/{LAST}"));
    let rolled = |limit| steps(store, "LIST_ROLLED_UP", ["team", &next, &bound, first, "7", "/", &bound, limit]);
    let (few, many) = (rolled("10").await, rolled("100").await);
    assert!(many < 15 * few, "10 entries cost {few} steps, 100 cost {many}");
}

/// How many instructions SQLite runs for a statement.
async fn steps<const N: usize>(store: &Fresh, name: &str, values: [&str; N]) -> u64 {
    let statement = zot_store::statements().find(|statement| statement.name == name).unwrap();
    let mut connection = SqliteConnection::connect(&store.url).await.unwrap();
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    connection.lock_handle().await.unwrap().set_progress_handler(1, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        true
    });
    let mut query = sqlx::query(statement.text(zot_store::Dialect::Sqlite));
    for value in values {
        query = match value.parse::<i64>() {
            Ok(number) => query.bind(number),
            Err(_) => query.bind(value),
        };
    }
    let rows = query.fetch_all(&mut connection).await.unwrap();
    println!("{name} {values:?}: {} rows in {steps:?} steps", rows.len());
    steps.load(Ordering::Relaxed)
}
