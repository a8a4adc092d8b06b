//! Results of background jobs, for `/health`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

/// How one run of a background job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// No work is left.
    Success,
    /// Another replica has the job's lease.
    Standby,
    /// It failed and will be tried again.
    Failure,
    /// It panicked and will be started again.
    Panic,
}

impl JobOutcome {
    /// As metrics and `/health` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Standby => "standby",
            Self::Failure => "failure",
            Self::Panic => "panic",
        }
    }
}

/// The last run of a background job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthJob)]
pub(crate) struct JobResult {
    /// When it ended.
    #[schema(format = DateTime)]
    last_run: String,
    /// `standby`: another replica does this job.
    #[schema(pattern = "^(success|standby|failure|panic)$")]
    outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The last run of each job of this process.
#[derive(Debug, Default)]
pub(crate) struct JobResults(Mutex<BTreeMap<&'static str, JobResult>>);

impl JobResults {
    pub(crate) fn set(&self, job: &'static str, outcome: JobOutcome, error: Option<&str>) {
        let (last_run, outcome) = (zot_core::ambient::now().to_string(), outcome.as_str());
        let run = JobResult { last_run, outcome, error: error.map(ToOwned::to_owned) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(job, run);
    }

    pub(crate) fn all(&self) -> BTreeMap<&'static str, JobResult> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
