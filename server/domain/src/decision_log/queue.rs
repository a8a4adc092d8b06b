//! The queue of records for the audit trail: in memory and bounded. Adding a record does no I/O.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call::{RequestId, network_of};
use crate::error::{Error, Result};
use crate::ports::audit::{Changes, Record};

/// Most records in the queue. A killed process loses at most these. While the database is unavailable, further records
/// are dropped and counted.
pub const QUEUE_MAX: usize = 16_384;
/// Records in one transaction.
pub const BATCH_MAX: usize = 256;
/// A record is left out if one of this many before it says the same about the same request.
const REPEATS_SEEN: usize = 16;
/// Longest text of a record, in characters: an object's key with its bucket fits.
const TEXT_MAX: usize = 2048;

fn repeats(one: &Record, other: &Record) -> bool {
    one.request == other.request
        && one.outcome == other.outcome
        && one.action == other.action
        && one.resource == other.resource
}

/// Counts of the queue, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub recorded: u64,
    /// Records that were dropped because the queue was full.
    pub dropped: u64,
    pub queued: usize,
}

/// The queue. Cheap to clone: all clones are one queue.
#[derive(Clone, Debug, Default)]
pub struct DecisionQueue(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<Queue>,
    recorded: AtomicU64,
    dropped: AtomicU64,
}

/// The source of records: an actor, or the address of an anonymous caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Actor(String),
    Address(Option<IpAddr>),
}

impl Source {
    fn of(record: &Record) -> Self {
        match record.actor.as_str() {
            "anonymous" => Self::Address(record.address.map(network_of)),
            actor => Self::Actor(actor.to_owned()),
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Arc<Record>>,
    /// The number of records by source.
    shares: HashMap<Source, usize>,
}

impl Queue {
    /// Adds a record if the queue is not full. One source gets at most half of what the others leave, so that it cannot
    /// displace their records.
    fn push(&mut self, record: Record) -> bool {
        let source = Source::of(&record);
        let own = self.shares.get(&source).copied().unwrap_or(0);
        let left = QUEUE_MAX - (self.records.len() - own);
        if own >= left.div_ceil(2) || self.records.len() >= QUEUE_MAX {
            return false;
        }
        self.shares.insert(source, own + 1);
        self.records.push_back(Arc::new(record));
        true
    }

    fn pop(&mut self) {
        let Some(record) = self.records.pop_front() else { return };
        let source = Source::of(&record);
        match self.shares.get_mut(&source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(self.shares.remove(&source)),
        }
    }
}

impl DecisionQueue {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record, unless the queue is full.
    pub fn note(&self, mut record: Record) {
        for text in [&mut record.actor, &mut record.resource, &mut record.reason] {
            tidy(text);
        }
        let mut queue = self.queue();
        if queue.records.iter().rev().take(REPEATS_SEEN).any(|earlier| repeats(earlier, &record)) {
            return;
        }
        if !queue.push(record) {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn figures(&self) -> Figures {
        Figures {
            recorded: self.0.recorded.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            queued: self.queue().records.len(),
        }
    }

    /// Writes the oldest records and returns how many remain. If the database is unavailable, they stay in the queue;
    /// records that it would never accept are dropped.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn flush(&self, changes: &dyn Changes) -> Result<usize> {
        // records stay in the queue until they are durable: a cancelled flush loses nothing
        let batch: Vec<_> = self.queue().records.iter().take(BATCH_MAX).cloned().collect();
        if batch.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = batch.iter().map(|record| record.id).collect();
        match changes.append(batch).await {
            Ok(()) => Ok(self.remove(&ids, &self.0.recorded)),
            Err(error @ (Error::Unavailable { .. } | Error::Conflict)) => Err(error),
            Err(error) => {
                self.remove(&ids, &self.0.dropped);
                Err(error)
            }
        }
    }

    /// Removes records from the front, unless another call removed them already.
    fn remove(&self, ids: &[RequestId], counter: &AtomicU64) -> usize {
        let mut queue = self.queue();
        for id in ids {
            if queue.records.front().is_some_and(|record| record.id == *id) {
                queue.pop();
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        queue.records.len()
    }
}

/// Makes a text valid for any database, and short enough.
fn tidy(text: &mut String) {
    if text.len() > TEXT_MAX || text.contains('\0') {
        *text = text.chars().take(TEXT_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
    }
}

#[cfg(test)]
mod tests;
