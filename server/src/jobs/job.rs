//! What a background job is.

use std::error::Error as _;
use std::time::Duration;

use zot_domain::Error;
use zot_domain::lease::Lease;

/// Work that a server does in the background, in batches.
pub(crate) trait Job: Send + 'static {
    /// The job in `/health`, in metrics and in the log.
    const NAME: &'static str;
    /// The pause doubles with each failure up to this, or to the interval if that is longer.
    const LONGEST_PAUSE: Duration = Duration::from_secs(20);

    /// Time between two runs.
    fn interval(&self) -> Duration;

    /// Time before the first run.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// The lease that [`Job::run`] takes. It is given back when the server stops.
    fn lease(&self) -> Option<&Lease> {
        None
    }

    fn run(&mut self) -> impl Future<Output = Result<Progress, Failure>> + Send;

    /// Does what is left when the server stops.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What a run leaves.
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
    /// For `/health`, which anybody may read: it must hold no secret and no address.
    pub shown: String,
    pub cause: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        // its text is for the log alone
        let is_internal = matches!(error, Error::Internal(_));
        Self { shown: if is_internal { "internal error; see the log".to_owned() } else { error.to_string() }, cause }
    }
}
