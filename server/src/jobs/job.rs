//! The trait of background jobs.

use std::error::Error as _;
use std::time::Duration;

use zot_domain::Error;
use zot_domain::lease::Lease;

/// Background work of a server, in batches.
pub(crate) trait Job: Send + 'static {
    /// The job's name in `/health`, in metrics and in the log.
    const NAME: &'static str;
    /// The pause doubles with each failure up to this, or to the interval if that is longer.
    const LONGEST_PAUSE: Duration = Duration::from_secs(20);

    /// Time between two runs.
    fn interval(&self) -> Duration;

    /// Time before the first run.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// The lease that [`Job::run`] takes. It is released when the server stops.
    fn lease(&self) -> Option<&Lease> {
        None
    }

    fn run(&mut self) -> impl Future<Output = Result<Progress, Failure>> + Send;

    /// Remaining work when the server stops.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More work waits: the next run follows without a pause.
    More,
    Done,
    /// Another replica has the lease.
    Standby,
    /// No work was due. This does not count as a run.
    Idle,
}

/// Why a run failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For `/health`, which is public: it must not contain secrets or addresses.
    pub shown: String,
    pub cause: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        // its text is only for the log
        let is_internal = matches!(error, Error::Internal(_));
        Self { shown: if is_internal { "internal error; see the log".to_owned() } else { error.to_string() }, cause }
    }
}
