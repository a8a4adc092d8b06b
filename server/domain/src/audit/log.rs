//! Queries of the audit trail. Policy on `system:audit` decides who may ask.

use std::sync::Arc;

use zot_core::action::Action;
use zot_core::policy::Resource;

use crate::authorizer::Authorizer;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ports::audit::{Change, Changes, Filter, Order, Place};

const AUDIT: Resource<'_> = Resource::System("audit");
/// Most rows of one page.
pub const LIMIT_MAX: u32 = 1000;
/// Rows that an export reads at once.
const EXPORTED: u32 = 500;

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    changes: Arc<dyn Changes>,
    authorizer: Authorizer,
}

/// A page of rows, the newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub rows: Vec<Change>,
    /// Where the next page begins. None on the last page.
    pub next: Option<Place>,
}

impl AuditLog {
    pub fn new(changes: Arc<dyn Changes>, authorizer: Authorizer) -> Self {
        Self { changes, authorizer }
    }

    /// A page of rows, newest first.
    ///
    /// # Errors
    /// Denied by policy; [`Error::ParameterInvalid`] for a limit that is none of 1 to [`LIMIT_MAX`].
    pub async fn page(&self, call: &Call, filter: &Filter, after: Option<&Place>, limit: u32) -> Result<Page> {
        self.authorizer.require(call, Action::Read, AUDIT)?;
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::ParameterInvalid(format!("limit: expected a number from 1 to {LIMIT_MAX}")));
        }
        let mut rows = self.changes.rows(filter, Order::NewestFirst, after, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(place);
        Ok(Page { rows, next })
    }

    /// All rows, oldest first, in pages.
    ///
    /// # Errors
    /// Denied by policy.
    pub fn export(&self, call: &Call, filter: Filter) -> Result<Export> {
        self.authorizer.require(call, Action::Read, AUDIT)?;
        Ok(Export::new(Arc::clone(&self.changes), filter))
    }
}

/// A running export.
pub struct Export {
    changes: Arc<dyn Changes>,
    filter: Filter,
    after: Option<Place>,
    ended: bool,
}

impl Export {
    /// An export for an operator with access to the database: no policy is asked.
    pub fn new(changes: Arc<dyn Changes>, filter: Filter) -> Self {
        Self { changes, filter, after: None, ended: false }
    }

    /// The next rows. None at the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn next(&mut self) -> Result<Option<Vec<Change>>> {
        if self.ended {
            return Ok(None);
        }
        let rows = self.changes.rows(&self.filter, Order::OldestFirst, self.after.as_ref(), EXPORTED).await?;
        self.ended = rows.len() < EXPORTED as usize;
        self.after = rows.last().map(place);
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

fn place(row: &Change) -> Place {
    (row.at, row.id.clone())
}
