//! Runs two sides against each other on Postgres, in every order that pauses can make.
//!
//! One side is held up before each of its steps in turn, also before and after its COMMIT, while the other one runs to
//! its end, or until it waits for a lock of the first. Then the first goes on. After each such run the rows must be as
//! [`invariants`](super::invariants) says, and the outcome as the test says. Nothing depends on time: who is held up
//! waits for a gate, and who waits for a lock is seen in `pg_stat_activity`.

use std::future::Future;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, select};
use zot_domain::{ArtifactError, Error, ObjectError, Result};
use zot_store::{Step, Steps as _, Store};

use super::gate::Gate;
use super::invariants;
use crate::database::{self, Fresh};

/// What a side came to: done; or not, in the way that its use case has for that.
pub(crate) type Outcome = Result<bool, Refused>;

/// Why a side did not do it, whichever use case it was.
#[derive(Debug)]
pub(crate) enum Refused {
    Common(Error),
    Artifact(ArtifactError),
    Object(ObjectError),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Common(error)
    }
}

impl From<ArtifactError> for Refused {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Common(error) => Self::Common(error),
            own => Self::Artifact(own),
        }
    }
}

impl From<ObjectError> for Refused {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Common(error) => Self::Common(error),
            own => Self::Object(own),
        }
    }
}

/// One side of a race, which can be run again and again.
pub(crate) struct Act(Arc<dyn Fn(Side) -> BoxFuture<'static, Outcome> + Send + Sync>);

impl Act {
    pub(crate) fn new<E: Into<Refused>, F: Future<Output = Result<bool, E>> + Send + 'static>(
        run: impl Fn(Side) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |side| run(side).map(|outcome| outcome.map_err(Into::into)).boxed()))
    }

    /// Several as one side, done if the last one is.
    pub(crate) fn chain(acts: Vec<Act>) -> Self {
        let acts: Arc<[_]> = acts.into_iter().map(|act| act.0).collect();
        Self::new(move |side| {
            let acts = Arc::clone(&acts);
            async move {
                let mut outcome = Ok(false);
                for act in acts.iter() {
                    outcome = act(side.clone()).await;
                    if outcome.is_err() {
                        break;
                    }
                }
                outcome
            }
        })
    }

    /// Does it without a race.
    pub(crate) async fn alone(&self, store: &Store) -> Outcome {
        (self.0)(Side::new(store, None)).await
    }

    /// Does it through a store that is watched already.
    pub(crate) async fn through(&self, store: Store) -> Outcome {
        (self.0)(Side { store, gate: Arc::default() }).await
    }
}

/// The store as one side sees it.
#[derive(Clone)]
pub(crate) struct Side {
    store: Store,
    gate: Arc<Gate>,
}

impl Deref for Side {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Side {
    fn new(store: &Store, stop_at: Option<usize>) -> Self {
        let gate = Arc::new(Gate::before(stop_at));
        Self { store: store.with_steps(Arc::clone(&gate) as _), gate }
    }

    /// A place to stop at between two calls of the port, or within a transaction of the test's own.
    pub(crate) async fn step(&self, name: &'static str) {
        self.gate.before(Step::Statement(name)).await;
    }
}

/// How one run ended.
pub(crate) struct Ends {
    /// Outcome of the first-named side.
    pub a: Outcome,
    /// Outcome of the other one.
    pub b: Outcome,
    /// How often the first-named side began a transaction.
    pub begun_a: usize,
    /// How often the other one did.
    pub begun_b: usize,
}

impl Ends {
    /// How many sides are done.
    pub(crate) fn done(&self) -> usize {
        usize::from(self.done_a()) + usize::from(self.done_b())
    }

    pub(crate) fn done_a(&self) -> bool {
        matches!(self.a, Ok(true))
    }

    pub(crate) fn done_b(&self) -> bool {
        matches!(self.b, Ok(true))
    }

    /// Both did what they had to, in whatever order.
    pub(crate) fn both_done(&self) {
        assert!(self.done() == 2, "{:?}, {:?}", self.a, self.b);
    }

    /// Neither was rolled back and run again: what they found in each other's way, they expected (rule B8).
    pub(crate) fn at_once(&self) {
        assert!(self.begun_a <= 1 && self.begun_b <= 1, "{} and {} attempts", self.begun_a, self.begun_b);
    }
}

/// A database in which races are run, one after the other.
pub(crate) struct Track {
    fresh: Fresh,
    reset: String,
    ages: &'static [Age],
}

/// Whether the rows that a setup leaves were touched lately: old ones are touched again, and so locked, by who adds a
/// reference; fresh ones are only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    AsLeft,
    Fresh,
    Old,
}

impl Age {
    async fn set(self, store: &Fresh) {
        let touched_at = match self {
            Self::AsLeft => return,
            Self::Fresh => "now_us()",
            Self::Old => "1",
        };
        // what nothing references was left fresh by who took the last reference
        let touch = format!(
            "UPDATE repo_blob SET touched_at = {touched_at}; UPDATE blob SET touched_at = {touched_at}
             WHERE EXISTS (SELECT 1 FROM repo_blob m WHERE m.blob = blob.id)
                OR EXISTS (SELECT 1 FROM object_version v WHERE v.blob = blob.id)"
        );
        store.execute(touch).await;
    }
}

/// How far the pauses of both sides go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pauses {
    One,
    Both,
}

impl Track {
    /// On Postgres, where alone there is concurrency between writes.
    pub(crate) async fn new() -> Self {
        let fresh = database::postgres().await;
        // a deadlock is found soon, so that a test that makes one by intention does not wait for it
        fresh.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''30ms''', current_database()); END $$".to_owned()).await;
        let fresh = fresh.reopened().await;
        let reset = invariants::emptying(&fresh).await;
        Self { fresh, reset, ages: &[Age::AsLeft] }
    }

    /// The same, for races whose outcome must not depend on how old rows are.
    pub(crate) async fn of_all_ages() -> Self {
        Self { ages: &[Age::Old, Age::Fresh], ..Self::new().await }
    }

    /// The store, without gates.
    pub(crate) fn store(&self) -> &Fresh {
        &self.fresh
    }

    pub(crate) async fn reset(&self) {
        self.fresh.execute(self.reset.clone()).await;
    }

    /// Holds up one side at each of its steps while the other one runs, then the other way round. With
    /// `ZOT_TEST_RACES=deep` in the environment as [`Track::explore_deeply`].
    pub(crate) async fn explore(
        &self,
        setup: impl AsyncFn(&Fresh),
        (a, b): (Act, Act),
        check: impl AsyncFn(&Fresh, &Ends),
    ) {
        let deep = std::env::var("ZOT_TEST_RACES").is_ok_and(|how| how == "deep");
        self.run_all(if deep { Pauses::Both } else { Pauses::One }, &setup, (&a, &b), &check).await;
    }

    /// The same, and holds both sides up at each pair of their steps, with rows of the first age: some hundred runs.
    pub(crate) async fn explore_deeply(
        &self,
        setup: impl AsyncFn(&Fresh),
        (a, b): (Act, Act),
        check: impl AsyncFn(&Fresh, &Ends),
    ) {
        self.run_all(Pauses::Both, &setup, (&a, &b), &check).await;
    }

    async fn run_all(
        &self,
        pauses: Pauses,
        setup: &impl AsyncFn(&Fresh),
        (a, b): (&Act, &Act),
        check: &impl AsyncFn(&Fresh, &Ends),
    ) {
        let mut runs = 0;
        for (nth, age) in self.ages.iter().enumerate() {
            let pauses = if nth == 0 { pauses } else { Pauses::One };
            let setup = async |store: &Fresh| {
                setup(store).await;
                age.set(store).await;
            };
            for swapped in [false, true] {
                runs += self.run_at_all_places(pauses, &setup, (a, b), swapped, check).await;
            }
        }
        assert!(runs > 4, "nothing was interleaved");
        println!("{runs} runs");
    }

    async fn run_at_all_places(
        &self,
        pauses: Pauses,
        setup: &impl AsyncFn(&Fresh),
        (a, b): (&Act, &Act),
        swapped: bool,
        check: &impl AsyncFn(&Fresh, &Ends),
    ) -> usize {
        let mut runs = 0;
        for i in 0.. {
            let mut held;
            // held up before its first step, a side might as well begin later: that is among the other runs
            let mut j = 1;
            loop {
                let stop = (pauses == Pauses::Both && i > 0).then_some(j);
                let second;
                (held, second) = self.run(setup, (a, b), swapped, (i, stop), check).await;
                runs += 1;
                j += 1;
                if !second {
                    break;
                }
            }
            if !held {
                break;
            }
        }
        runs
    }

    /// One run; whether the first side was held up, and whether the second one was too.
    async fn run(
        &self,
        setup: &impl AsyncFn(&Fresh),
        (a, b): (&Act, &Act),
        swapped: bool,
        (i, j): (usize, Option<usize>),
        check: &impl AsyncFn(&Fresh, &Ends),
    ) -> (bool, bool) {
        self.reset().await;
        setup(&self.fresh).await;
        let (stop_a, stop_b) = if swapped { (j, Some(i)) } else { (Some(i), j) };
        let (side_a, side_b) = (Side::new(&self.fresh, stop_a), Side::new(&self.fresh, stop_b));
        let (gate_a, gate_b) = (Arc::clone(&side_a.gate), Arc::clone(&side_b.gate));
        let run = async {
            let (run_a, run_b) = ((a.0)(side_a), (b.0)(side_b));
            let (ends, held) = if swapped {
                let ((b, a), held) = self.interleave((run_b, &gate_b), (run_a, &gate_a)).await;
                ((a, b), held)
            } else {
                self.interleave((run_a, &gate_a), (run_b, &gate_b)).await
            };
            let ends = Ends { a: ends.0, b: ends.1, begun_a: gate_a.begun(), begun_b: gate_b.begun() };
            invariants::hold(&self.fresh).await;
            check(&self.fresh, &ends).await;
            held
        };
        let run = tokio::time::timeout(Duration::from_mins(1), AssertUnwindSafe(run).catch_unwind()).await;
        let told = || eprintln!("a: {}\nb: {}\nswapped: {swapped}", gate_a.way(), gate_b.way());
        match run {
            Ok(Ok(held)) => held,
            Ok(Err(panic)) => {
                told();
                std::panic::resume_unwind(panic)
            }
            Err(_) => {
                told();
                panic!("a side hangs")
            }
        }
    }

    async fn interleave(
        &self,
        (first, first_gate): (BoxFuture<'static, Outcome>, &Gate),
        (second, second_gate): (BoxFuture<'static, Outcome>, &Gate),
    ) -> ((Outcome, Outcome), (bool, bool)) {
        let mut first = Running::new(first);
        let mut second = Running::new(second);
        let held_first = first.until(first_gate.reached()).await;
        let held_second = if held_first {
            // to its end, to its gate, or until it waits for a lock of the first
            let mut gate = false;
            second
                .until(async {
                    match select(pin!(second_gate.reached()), pin!(self.blocked())).await {
                        Either::Left(_) => gate = true,
                        Either::Right(_) => {}
                    }
                })
                .await;
            gate
        } else {
            false
        };
        first_gate.open();
        if held_second {
            first.until(self.blocked()).await;
        }
        second_gate.open();
        let (first, second) = tokio::join!(first.ended(), second.ended());
        ((first, second), (held_first, held_second))
    }

    /// Returns once somebody waits for somebody else's row.
    pub(crate) async fn blocked(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(4)).await;
            let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple', 'spectoken')";
            if self.fresh.count(waiting).await > 0 {
                return;
            }
        }
    }
}

/// A side under way.
struct Running {
    run: BoxFuture<'static, Outcome>,
    outcome: Option<Outcome>,
}

impl Running {
    fn new(run: BoxFuture<'static, Outcome>) -> Self {
        Self { run, outcome: None }
    }

    /// Runs on until something happens; false if it came to its end before.
    async fn until(&mut self, event: impl Future<Output = ()>) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        match select(Pin::new(&mut self.run), pin!(event)).await {
            Either::Left((outcome, _)) => {
                self.outcome = Some(outcome);
                false
            }
            Either::Right(_) => true,
        }
    }

    async fn ended(self) -> Outcome {
        match self.outcome {
            Some(outcome) => outcome,
            None => self.run.await,
        }
    }
}
