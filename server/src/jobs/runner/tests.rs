use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use zot_domain::lease::Lease;
use zot_testing::app::TestApp;

use super::*;

type Run = Box<dyn FnMut(usize) -> Ended + Send>;

enum Ended {
    With(Progress),
    Failed(&'static str),
    Panicked,
    Never,
}

/// A job that a test scripts, each second.
struct Scripted {
    run: Run,
    lease: Option<Lease>,
    begun: Arc<Mutex<Vec<Instant>>>,
    ended: Arc<AtomicUsize>,
    finished: Arc<Notify>,
}

impl Scripted {
    fn new(run: impl FnMut(usize) -> Ended + Send + 'static) -> Self {
        let (begun, ended, finished) = Default::default();
        Self { run: Box::new(run), lease: None, begun, ended, finished }
    }
}

impl Job for Scripted {
    const NAME: &'static str = "scripted";

    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        let number = {
            let mut begun = self.begun.lock().unwrap();
            begun.push(Instant::now());
            begun.len()
        };
        if let Some(lease) = &self.lease {
            assert!(lease.take().await.unwrap());
        }
        let ended = (self.run)(number);
        if let Ended::With(Progress::More) = ended {
            sleep(Duration::from_secs(2)).await;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        match ended {
            Ended::With(progress) => Ok(progress),
            Ended::Failed(cause) => Err(Failure { shown: "it is away".to_owned(), cause: cause.to_owned() }),
            Ended::Panicked => panic!("as the test wants it"),
            Ended::Never => std::future::pending().await,
        }
    }

    async fn finish(&mut self) {
        self.finished.notify_one();
    }
}

/// Runs a job for that long, on a paused clock. Returns the pauses between its runs, in seconds.
async fn pauses(app: &TestApp, secs: u64, run: impl FnMut(usize) -> Ended + Send + 'static) -> Vec<u64> {
    let job = Scripted::new(run);
    let begun = Arc::clone(&job.begun);
    let mut runner = Runner::new(app.gateway.clone());
    tokio::time::pause();
    runner.start(job);
    sleep(Duration::from_millis(secs * 1000 + 500)).await;
    runner.stop().await;
    tokio::time::resume();
    let begun = begun.lock().unwrap();
    begun.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect()
}

/// The last run, without its time.
async fn shown(app: &TestApp) -> Value {
    let mut job = app.anonymous().get("/health").await.json()["jobs"]["scripted"].take();
    let time = job.as_object_mut().and_then(|job| job.remove("lastRun"));
    assert!(time.is_none_or(|time| time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok()));
    job
}

async fn assert_counted(app: &TestApp, outcomes: &[(&str, u64)]) {
    let text = String::from_utf8(app.anonymous().get("/metrics").await.body.to_vec()).unwrap();
    for (outcome, count) in outcomes {
        let series = format!("background_job_runs_total{{job=\"scripted\",outcome=\"{outcome}\"}} {count}");
        assert!(text.lines().any(|line| line == series), "{series} in {text}");
    }
    let all: u64 = outcomes.iter().map(|(_, count)| count).sum();
    let series = format!("background_job_duration_seconds_count{{job=\"scripted\"}} {all}");
    assert!(text.lines().any(|line| line == series), "{series} in {text}");
}

#[tokio::test]
async fn a_failure_pauses_longer_until_the_job_works_again() {
    let app = TestApp::new().await;
    let run = |number| if number <= 5 { Ended::Failed("password=x") } else { Ended::With(Progress::Done) };
    assert_eq!(pauses(&app, 60, run).await[..6], [2, 4, 8, 16, 20, 1][..]);
}

#[tokio::test]
async fn health_shows_the_last_run_without_its_cause() {
    let app = TestApp::new().await;
    assert_eq!(shown(&app).await, Value::Null);
    let run = |number| if number == 1 { Ended::With(Progress::Done) } else { Ended::Failed("password=x") };
    assert_eq!(pauses(&app, 6, run).await, [1, 2]);
    assert_eq!(shown(&app).await, json!({"outcome": "failure", "error": "it is away"}));
    assert_counted(&app, &[("success", 1), ("failure", 2)]).await;
}

#[tokio::test]
async fn another_replica_that_has_the_lease_is_no_failure() {
    let app = TestApp::new().await;
    assert_eq!(pauses(&app, 1, |_| Ended::With(Progress::Standby)).await, [1]);
    assert_eq!(shown(&app).await, json!({"outcome": "standby"}));
    assert_counted(&app, &[("standby", 2)]).await;
}

#[tokio::test]
async fn idle_is_not_a_run() {
    let app = TestApp::new().await;
    assert_eq!(pauses(&app, 2, |_| Ended::With(Progress::Idle)).await, [1, 1]);
    assert_eq!(shown(&app).await, Value::Null);
}

#[tokio::test]
async fn a_job_that_panicked_runs_again_after_a_pause() {
    let app = TestApp::new().await;
    let panics = |until| move |number| if number <= until { Ended::Panicked } else { Ended::With(Progress::Done) };
    assert!(pauses(&app, 50, panics(9)).await.is_empty());
    assert_eq!(shown(&app).await, json!({"outcome": "panic", "error": "the job panicked; see the log"}));
    assert_eq!(pauses(&app, 61, panics(1)).await, [60, 1]);
    assert_eq!(shown(&app).await, json!({"outcome": "success"}));
    assert_counted(&app, &[("panic", 2), ("success", 2)]).await;
}

#[tokio::test]
async fn a_job_ends_between_two_runs() {
    let app = TestApp::new().await;
    let job = Scripted::new(|_| Ended::With(Progress::More));
    let (begun, ended, finished) = (Arc::clone(&job.begun), Arc::clone(&job.ended), Arc::clone(&job.finished));
    let mut runner = Runner::new(app.gateway.clone());
    tokio::time::pause();
    runner.start(job);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((begun.lock().unwrap().len(), ended.load(Ordering::Relaxed)), (3, 2), "in the middle of the third run");
    runner.stop().await;
    assert_eq!((begun.lock().unwrap().len(), ended.load(Ordering::Relaxed)), (3, 3), "it is done, and no other one");
    finished.notified().await;
}

#[tokio::test]
async fn a_run_that_does_not_end_is_dropped() {
    let app = TestApp::new().await;
    let job = Scripted::new(|_| Ended::Never);
    let finished = Arc::clone(&job.finished);
    let mut runner = Runner::new(app.gateway.clone());
    tokio::time::pause();
    runner.start(job);
    sleep(Duration::from_secs(100)).await;
    let begun = Instant::now();
    runner.stop().await;
    assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
    finished.notified().await;
}

#[tokio::test]
async fn a_lease_is_given_back_at_the_end() {
    let app = TestApp::new().await;
    let lease = |holder| Lease::new(Arc::new(app.store.clone()), "test", holder, 3600);
    let ran = Arc::new(Notify::new());
    let runs = Arc::clone(&ran);
    let mut job = Scripted::new(move |_| {
        runs.notify_one();
        Ended::With(Progress::Done)
    });
    job.lease = Some(lease("stopping"));
    let mut runner = Runner::new(app.gateway.clone());
    runner.start(job);
    ran.notified().await;
    let next = lease("next");
    assert!(!next.take().await.unwrap());
    runner.stop().await;
    assert!(next.take().await.unwrap(), "at once, an hour before the lease would have ended");
}
