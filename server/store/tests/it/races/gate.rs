//! Holds a side of a race up at one of its steps, and writes down the steps it took.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use zot_store::{Step, Steps};

/// Where a side is stopped, and its way until now.
#[derive(Default)]
pub(crate) struct Gate {
    stop_at: Option<usize>,
    way: Mutex<Way>,
    reached: Notify,
    open: Notify,
}

#[derive(Default)]
struct Way {
    steps: Vec<String>,
    places: usize,
    begun: usize,
}

impl Gate {
    /// A gate that closes before the step of that number, counted from 0; none: it stays open.
    pub(crate) fn before(stop_at: Option<usize>) -> Self {
        Self { stop_at, ..Self::default() }
    }

    /// Returns once the side stands before the gate.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn open(&self) {
        self.open.notify_one();
    }

    /// How often the side began a transaction.
    pub(crate) fn begun(&self) -> usize {
        self.way.lock().unwrap_or_else(PoisonError::into_inner).begun
    }

    pub(crate) fn way(&self) -> String {
        self.way.lock().unwrap_or_else(PoisonError::into_inner).steps.join(" ")
    }

    fn note(&self, step: Step) -> bool {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let place = way.places;
        match step {
            Step::Begin => way.begun += 1,
            _ => way.places += 1,
        }
        let stops = step != Step::Begin && self.stop_at == Some(place);
        let name = match step {
            Step::Statement(name) => name.to_owned(),
            other => format!("{other:?}").to_uppercase(),
        };
        way.steps.push(if stops { format!("<{place}>") + &name } else { name });
        stops
    }
}

#[async_trait::async_trait]
impl Steps for Gate {
    async fn before(&self, step: Step) {
        if self.note(step) {
            self.reached.notify_one();
            self.open.notified().await;
        }
    }
}
