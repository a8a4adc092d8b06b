//! The schema: every statement is one that both databases take, and servers that cannot serve it refuse.

use sqlx::{AnyConnection, Connection as _, Executor as _, SqlSafeStr as _};
use zot_domain::ports::metadata::Metadata as _;
use zot_store::{OpenError, Options, Store, sql};

use crate::database::Fresh;
use crate::on_both;

on_both! {
    every_statement_can_be_prepared,
    migrating_twice_changes_nothing,
    replicas_may_migrate_at_once,
    a_schema_that_is_ahead_is_refused_only_if_it_says_so,
    the_stores_identity_is_made_once,
}

async fn every_statement_can_be_prepared(store: &Fresh) {
    let mut connection = AnyConnection::connect(&store.url).await.unwrap();
    let mut count = 0;
    for statement in zot_store::statements() {
        let text = statement.text(store.dialect()).into_sql_str();
        if let Err(error) = connection.prepare(text).await {
            panic!("{}: {error}", statement.name);
        }
        count += 1;
    }
    assert!(count > 50, "{count} statements are listed");
}

/// `zot_store::statements` lists the statements of every file that declares some.
#[test]
fn every_file_with_statements_is_listed() {
    let listed: Vec<_> = zot_store::statements().map(|statement| statement.name).collect();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut declared = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let Some((_, block)) = text.split_once("\nstatements! {\n") else { continue };
            let (block, _) = block.split_once("\n}\n").unwrap();
            for name in
                block.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" = ")).map(|(name, _)| name)
            {
                if name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
                    assert!(listed.contains(&name), "{name} of {} is not listed in lib.rs", path.display());
                    declared += 1;
                }
            }
        }
    }
    assert_eq!(declared, listed.len());
}

async fn migrating_twice_changes_nothing(store: &Fresh) {
    store.migrate().await.unwrap();
    store.probe().await.unwrap();
}

async fn replicas_may_migrate_at_once(store: &Fresh) {
    let tables = match store.dialect() {
        sql::Dialect::Postgres => "DROP SCHEMA public CASCADE; CREATE SCHEMA public".to_owned(),
        // a fresh file each time anyway: here the second migration meets the first one's outcome
        sql::Dialect::Sqlite => "SELECT 1".to_owned(),
    };
    store.execute(tables).await;
    let replicas = (0..4).map(|_| {
        let url = store.url.clone();
        tokio::spawn(async move {
            let replica = Store::open(&Options { url, max_connections: 2, create: true }).await.unwrap();
            replica.migrate().await.unwrap();
            replica.info().await.unwrap()
        })
    });
    let mut infos = Vec::new();
    for replica in replicas.collect::<Vec<_>>() {
        infos.push(replica.await.unwrap());
    }
    assert!(infos.windows(2).all(|pair| pair[0] == pair[1]), "{infos:?}");
}

async fn a_schema_that_is_ahead_is_refused_only_if_it_says_so(store: &Fresh) {
    store.execute("UPDATE schema_info SET version = 99".to_owned()).await;
    store.check_schema().await.unwrap();
    store.execute("UPDATE schema_info SET min_server = 98".to_owned()).await;
    assert!(matches!(store.check_schema().await, Err(OpenError::TooNew { schema: 99, min_server: 98, .. })));
    assert!(store.probe().await.is_err(), "readiness is red");
    store.execute("UPDATE schema_info SET version = 0, min_server = 0".to_owned()).await;
    assert!(matches!(store.check_schema().await, Err(OpenError::TooOld { .. })));
}

async fn the_stores_identity_is_made_once(store: &Fresh) {
    let info = store.info().await.unwrap();
    assert_eq!(store.info().await.unwrap(), info);
    assert!(!info.admin_generated);
    assert!(store.claim_admin_generation().await.unwrap());
    assert!(!store.claim_admin_generation().await.unwrap());
    assert!(store.info().await.unwrap().admin_generated);
}
