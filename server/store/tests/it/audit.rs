//! The audit trail on both databases: records, pages, closing of batches, and detection of changes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_domain::audit::{BatchCloser, Chain, Closed, Signer};
use zot_domain::call::{Agent, RequestId};
use zot_domain::fsck::Kind;
use zot_domain::ports::audit::{Change, Changes as _, Filter, Order, Outcome, Record};

use crate::database::Fresh;
use crate::make::publish;
use crate::on_both;

on_both! {
    a_record_is_a_row_with_all_that_is_known,
    pages_are_whole_in_both_orders,
    every_row_is_in_one_batch_however_late_it_comes,
    what_is_changed_behind_its_back_shows,
    dropped_batches_leave_a_chain_that_verifies,
}

/// A key that everybody may know.
struct Key(&'static str);

impl Signer for Key {
    fn key_id(&self) -> &str {
        self.0
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), message].concat()
    }

    fn verify(&self, key_id: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        (key_id == self.0).then(|| signature == self.sign(message))
    }
}

fn record(actor: &str, resource: &str) -> Arc<Record> {
    Arc::new(Record {
        id: RequestId::new(),
        request: RequestId::new(),
        noted: Instant::now(),
        actor: actor.to_owned(),
        action: AuditAction::Decided(Action::Read),
        resource: resource.to_owned(),
        outcome: Outcome::Denied,
        address: Some(IpAddr::V6(Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped())),
        agent: Agent::new("GET", "a \"client\"\\ü"),
        reason: "no policy allows it".to_owned(),
        policy: Some("p1".to_owned()),
    })
}

async fn append(store: &Fresh, count: usize) {
    let records = (0..count).map(|number| record(&format!("key:{}", number % 3), "repository:team/app")).collect();
    store.append(records).await.unwrap();
}

fn closer(store: &Fresh, retention: Option<Duration>) -> BatchCloser {
    BatchCloser::new(Arc::new((**store).clone()), Arc::new((**store).clone()), Arc::new(Key("k1")), retention)
}

async fn run(closer: &BatchCloser, holder: &str) -> zot_domain::Result<Option<Closed>> {
    closer.run(&closer.lease(holder)).await
}

async fn found(store: &Fresh, key: &'static str) -> Vec<Kind> {
    let chain = Chain::new(Arc::new((**store).clone()), Some(Arc::new(Key(key))));
    let mut kinds: Vec<_> =
        chain.verify(&|_, _| ()).await.unwrap().findings.into_iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

async fn a_record_is_a_row_with_all_that_is_known(store: &Fresh) {
    let one = record("key:a", "object:team/\u{1F600}'\"\\.txt");
    let earlier = Arc::new(Record {
        noted: Instant::now().checked_sub(Duration::from_secs(5)).expect("a machine that runs for so long"),
        ..(*record("key:b", "x")).clone()
    });
    store.append(vec![Arc::clone(&one), earlier]).await.unwrap();
    // as after a COMMIT whose answer was lost
    store.append(vec![Arc::clone(&one)]).await.unwrap();
    let rows = store.rows(&Filter::default(), Order::NewestFirst, None, 10).await.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let row = Change { at: 0, ..rows[0].clone() };
    let expected = Change {
        id: one.id.to_string(),
        at: 0,
        actor: "key:a".to_owned(),
        action: "read".to_owned(),
        resource: one.resource.clone(),
        outcome: "denied".to_owned(),
        request: one.request.to_string(),
        address: "10.0.0.7".to_owned(),
        method: "GET".to_owned(),
        user_agent: "a \"client\"\\ü".to_owned(),
        reason: "no policy allows it".to_owned(),
        policy: "p1".to_owned(),
        details: String::new(),
        batch: None,
    };
    assert_eq!(row, expected);
    let seconds = (rows[0].at - rows[1].at) / 1_000_000;
    assert!((4..=6).contains(&seconds), "it is told when it was, not when it was written: {seconds} s");
}

async fn pages_are_whole_in_both_orders(store: &Fresh) {
    append(store, 25).await;
    publish(store, "team/app", "manifest", &[], &["v1"]).await.unwrap();
    let any = Filter::default();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        for (filter, expected) in [
            (any.clone(), 26),
            (Filter { actor: "key:1".to_owned(), ..any.clone() }, 8),
            (Filter { resource: "repository:team/app".to_owned(), ..any.clone() }, 25),
            (Filter { action: "manifest.push".to_owned(), ..any.clone() }, 1),
            (Filter { outcome: "denied".to_owned(), ..any.clone() }, 25),
            (Filter { outcome: "allowed".to_owned(), ..any.clone() }, 1),
            (Filter { until: 1, ..any.clone() }, 0),
            (Filter { resource: "repository:team/app".to_owned(), actor: "key:2".to_owned(), ..any.clone() }, 8),
        ] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.rows(&filter, order, after.as_ref(), 4).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some((last.at, last.id.clone()));
                seen.extend(page.into_iter().map(|row| (row.at, row.id)));
            }
            let mut sorted = seen.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), expected, "{filter:?}");
            if order == Order::NewestFirst {
                sorted.reverse();
            }
            assert_eq!(seen, sorted, "{filter:?}");
        }
    }
}

async fn every_row_is_in_one_batch_however_late_it_comes(store: &Fresh) {
    append(store, 1500).await;
    let early = record("key:early", "x");
    append(store, 1000).await;
    let (first, second) = (closer(store, None), closer(store, None));
    let (one, two) = tokio::join!(run(&first, "one"), run(&second, "two"));
    let done: Vec<Closed> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(
        done.iter().map(|it| (it.batches, it.rows)).collect::<Vec<_>>(),
        [(3, 2500)],
        "one of them had the lease"
    );
    // its key is smaller than those in closed batches
    store.append(vec![early]).await.unwrap();
    let holder = if store.count("SELECT COUNT(*) FROM lease WHERE holder = 'one'").await > 0 { "one" } else { "two" };
    run(&first, holder).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM change WHERE sealed_seq IS NULL").await, 0);
    assert_eq!(store.count("SELECT COUNT(*) FROM change WHERE sealed_seq = 4").await, 1);
    assert_eq!(store.count("SELECT MAX(seq) FROM audit_root").await, 4);
    assert_eq!(found(store, "k1").await, []);
    assert_eq!(found(store, "k2").await, [Kind::AuditSignature], "told once, not once a batch");
    // a lease that was lost without notice does no harm: a number is taken once
    let last = store.last_root().await.unwrap().unwrap();
    append(store, 1).await;
    let key = store.unbatched(1).await.unwrap().remove(0).id;
    assert!(!store.close_batch(last.clone(), vec![key.clone()]).await.unwrap());
    let next = zot_domain::ports::audit::Root { seq: last.seq + 1, ..last };
    assert!(!store.close_batch(next, vec![key, "of-nobody".to_owned()]).await.unwrap(), "all its rows, or none");
    assert_eq!(store.count("SELECT COUNT(*) FROM change WHERE sealed_seq IS NULL").await, 1);
    assert_eq!(store.count("SELECT MAX(seq) FROM audit_root").await, 4);
}

/// Changes, and what is found of them.
const TAMPERED: [(&str, &[Kind]); 13] = [
    (
        "UPDATE change SET actor = 'key:x' WHERE request_id = (SELECT MIN(request_id) FROM change)",
        &[Kind::AuditChanged],
    ),
    ("UPDATE change SET at = at - 1 WHERE request_id = (SELECT MAX(request_id) FROM change)", &[Kind::AuditChanged]),
    ("UPDATE change SET reason = reason || ' ' WHERE sealed_seq = 2", &[Kind::AuditChanged]),
    ("DELETE FROM change WHERE request_id = (SELECT MIN(request_id) FROM change)", &[Kind::AuditMissing]),
    (
        "INSERT INTO change (request_id, at, actor, action, resource, outcome, sealed_seq) VALUES ('x', 1, 'a', 'b', 'c', 'allowed', 2)",
        &[Kind::AuditAdded],
    ),
    // a swap of who it was
    (
        "UPDATE change SET actor = CASE actor WHEN 'key:0' THEN 'key:1' WHEN 'key:1' THEN 'key:0' ELSE actor END
            WHERE sealed_seq = 1",
        &[Kind::AuditChanged],
    ),
    // a batch in the middle
    ("DELETE FROM change WHERE sealed_seq = 2; DELETE FROM audit_root WHERE seq = 2", &[Kind::AuditChain]),
    ("DELETE FROM audit_root WHERE seq = 2", &[Kind::AuditChain, Kind::AuditAdded]),
    // hidden as if it had been old
    (
        "DELETE FROM change WHERE sealed_seq = 2; UPDATE audit_root SET dropped_at = 1, drop_signature = signature WHERE seq = 2",
        &[Kind::AuditSignature],
    ),
    (
        "UPDATE audit_root SET row_count = row_count - 1 WHERE seq = 2",
        &[Kind::AuditAdded, Kind::AuditChain, Kind::AuditSignature],
    ),
    ("UPDATE audit_root SET newest_at = 1 WHERE seq = 3", &[Kind::AuditSignature]),
    // rows that change their batch
    ("UPDATE change SET sealed_seq = 5 - sealed_seq WHERE sealed_seq IN (2, 3)", &[Kind::AuditChanged]),
    ("UPDATE change SET sealed_seq = 9 WHERE sealed_seq = 3", &[Kind::AuditMissing, Kind::AuditAdded]),
];

async fn what_is_changed_behind_its_back_shows(store: &Fresh) {
    for batch in 1..=3 {
        append(store, 5).await;
        assert_eq!(
            run(&closer(store, None), "x").await.unwrap().unwrap(),
            Closed { batches: 1, rows: 5, ..Closed::default() }
        );
        assert_eq!(store.count("SELECT MAX(seq) FROM audit_root").await, batch);
    }
    assert_eq!(found(store, "k1").await, []);
    for table in ["change", "audit_root"] {
        store.execute(format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
    }
    for (sql, expected) in TAMPERED {
        for one in sql.split(';') {
            store.execute(one.to_owned()).await;
        }
        let mut kinds = found(store, "k1").await;
        // a broken root breaks what follows too
        kinds.sort();
        kinds.dedup();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(kinds, expected, "{sql}");
        for table in ["change", "audit_root"] {
            store.execute(format!("DELETE FROM {table}")).await;
            store.execute(format!("INSERT INTO {table} SELECT * FROM saved_{table}")).await;
        }
        assert_eq!(found(store, "k1").await, []);
    }
    // all of it signed by somebody else's key
    store.execute("UPDATE audit_root SET key_id = 'k0'".to_owned()).await;
    assert_eq!(found(store, "k1").await, [Kind::AuditSignature]);
}

async fn dropped_batches_leave_a_chain_that_verifies(store: &Fresh) {
    append(store, 5).await;
    run(&closer(store, None), "x").await.unwrap();
    append(store, 2).await;
    let week = Some(Duration::from_hours(7 * 24));
    let done = run(&closer(store, week), "x").await.unwrap().unwrap();
    assert_eq!((done.batches, done.dropped), (1, 0), "nothing is old");
    let done = run(&closer(store, Some(Duration::ZERO)), "x").await.unwrap().unwrap();
    assert_eq!((done.dropped, done.suspect), (2, 0));
    assert_eq!(store.count("SELECT COUNT(*) FROM change").await, 0);
    append(store, 3).await;
    run(&closer(store, week), "x").await.unwrap();
    assert_eq!(store.last_root().await.unwrap().unwrap().seq, 3);
    assert_eq!(found(store, "k1").await, []);
    // who makes a batch old in the hope that its rows go gets nothing dropped
    store.execute("UPDATE audit_root SET newest_at = 1 WHERE seq = 3".to_owned()).await;
    let done = run(&closer(store, week), "x").await.unwrap().unwrap();
    assert_eq!((done.dropped, done.suspect), (0, 1));
    assert_eq!(store.count("SELECT COUNT(*) FROM change").await, 3);
}
