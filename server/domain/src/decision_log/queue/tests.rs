//! The queue is bounded and keeps what was not written.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use zot_core::AuditAction;
use zot_core::action::Action;

use super::*;
use crate::call::Agent;
use crate::ports::audit::{Change, Filter, Order, Outcome, Place, Root};

fn record(request: RequestId, resource: &str) -> Record {
    Record {
        id: RequestId::new(),
        request,
        noted: Instant::now(),
        actor: "key:a".to_owned(),
        action: AuditAction::Decided(Action::Read),
        resource: resource.to_owned(),
        outcome: Outcome::Allowed,
        address: None,
        agent: Agent::default(),
        reason: String::new(),
        policy: None,
    }
}

/// A database that takes records, or fails with a given error.
#[derive(Default)]
struct Database {
    taken: Mutex<Vec<Arc<Record>>>,
    says: Mutex<Option<Error>>,
}

#[async_trait]
impl Changes for Database {
    async fn append(&self, records: Vec<Arc<Record>>) -> Result<()> {
        match self.says.lock().unwrap().take() {
            Some(error) => Err(error),
            None => {
                self.taken.lock().unwrap().extend(records);
                Ok(())
            }
        }
    }

    async fn rows(&self, _: &Filter, _: Order, _: Option<&Place>, _: u32) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    async fn unbatched(&self, _: u32) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    async fn last_root(&self) -> Result<Option<Root>> {
        Ok(None)
    }

    async fn close_batch(&self, _: Root, _: Vec<String>) -> Result<bool> {
        Ok(false)
    }

    async fn roots_after(&self, _: i64, _: u32) -> Result<Vec<Root>> {
        Ok(Vec::new())
    }

    async fn batch(&self, _: i64, _: u32) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    async fn older_batches(&self, _: Duration, _: i64, _: u32) -> Result<Vec<Root>> {
        Ok(Vec::new())
    }

    async fn drop_batch(&self, _: i64, _: Vec<u8>) -> Result<()> {
        Ok(())
    }

    async fn stray_batches(&self, _: u32) -> Result<Vec<i64>> {
        Ok(Vec::new())
    }
}

/// Nothing here blocks.
fn flush(queue: &DecisionQueue, database: &Database) -> Result<usize> {
    queue.flush(database).now_or_never().unwrap()
}

#[test]
fn nothing_is_lost_up_to_the_bound_and_what_is_beyond_it_is_counted() {
    let (queue, database) = (DecisionQueue::default(), Database::default());
    for number in 0..QUEUE_MAX + 3 {
        let actor = format!("key:{number}");
        queue.note(Record { actor, ..record(RequestId::new(), &number.to_string()) });
    }
    assert_eq!(queue.figures(), Figures { recorded: 0, dropped: 3, queued: QUEUE_MAX });
    while flush(&queue, &database).unwrap() > 0 {}
    assert_eq!(queue.figures(), Figures { recorded: QUEUE_MAX as u64, dropped: 3, queued: 0 });
    let taken = database.taken.lock().unwrap();
    assert!(taken.iter().enumerate().all(|(number, record)| record.resource == number.to_string()), "in their order");
}

#[test]
fn nobody_keeps_the_records_of_others_out() {
    let (queue, database) = (DecisionQueue::default(), Database::default());
    let note = |actor: &str, address: &str| {
        let (actor, address) = (actor.to_owned(), address.parse().ok());
        queue.note(Record { actor, address, ..record(RequestId::new(), "a") });
    };
    for number in 0..2 * QUEUE_MAX {
        note("user:mallory", "192.0.2.1");
        note("anonymous", &format!("2001:db8::{:x}", number % 0xffff));
    }
    let figures = queue.figures();
    assert!(figures.queued < QUEUE_MAX && figures.dropped > 0, "{figures:?}");
    for number in 0..1000 {
        note("anonymous", &format!("192.0.2.{}", number % 200));
        note("user:alice", "192.0.2.1");
    }
    assert_eq!(queue.figures(), Figures { queued: figures.queued + 2000, ..figures });
    // after a flush there is space for new records
    while flush(&queue, &database).unwrap() > 0 {}
    note("user:mallory", "192.0.2.1");
    assert_eq!(queue.figures().queued, 1);
    while flush(&queue, &database).unwrap() > 0 {}
    assert!(queue.queue().shares.is_empty());
}

#[test]
fn what_a_database_does_not_take_now_waits_and_what_it_never_takes_is_dropped() {
    let (queue, database) = (DecisionQueue::default(), Database::default());
    queue.note(record(RequestId::new(), "a"));
    *database.says.lock().unwrap() = Some(Error::database(std::io::Error::other("away")));
    assert!(flush(&queue, &database).is_err());
    assert_eq!(queue.figures(), Figures { recorded: 0, dropped: 0, queued: 1 });
    *database.says.lock().unwrap() = Some(Error::Internal("no such column".to_owned()));
    assert!(flush(&queue, &database).is_err());
    assert_eq!(queue.figures(), Figures { recorded: 0, dropped: 1, queued: 0 });
    queue.note(record(RequestId::new(), "b"));
    assert_eq!(flush(&queue, &database).unwrap(), 0);
    assert_eq!(database.taken.lock().unwrap()[0].resource, "b");
}

#[test]
fn one_request_that_asks_twice_is_one_record() {
    let (queue, request) = (DecisionQueue::default(), RequestId::new());
    for resource in ["a", "a", "b", "a"] {
        queue.note(record(request, resource));
    }
    queue.note(record(RequestId::new(), "a"));
    queue.note(Record { outcome: Outcome::Denied, ..record(request, "a") });
    assert_eq!(queue.figures().queued, 4);
}

#[test]
fn texts_are_such_as_every_database_takes() {
    let (queue, database) = (DecisionQueue::default(), Database::default());
    queue.note(record(RequestId::new(), &format!("a\0{}", "ü".repeat(3000))));
    flush(&queue, &database).unwrap();
    let taken = database.taken.lock().unwrap();
    assert_eq!(taken[0].resource.chars().count(), TEXT_MAX);
    assert!(taken[0].resource.starts_with("a\u{fffd}ü"));
}
