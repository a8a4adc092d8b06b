//! Listing tags, repositories and referrers, in pages. Names are in byte order, whatever the locale.

use zot_core::action::Action;
use zot_core::name::RepositoryName;
use zot_core::policy::Resource;

use crate::artifact::Artifacts;
use crate::call::Call;
use crate::error::{ArtifactError, Result};
use crate::ports::metadata::{Referrer, ReferrersQuery};

/// The default and largest number of entries in a page.
pub const PAGE_MAX: u32 = 1000;

/// A page of names, in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub names: Vec<String>,
    /// Whether there are further pages.
    pub more: bool,
}

impl Page {
    fn cut(mut names: Vec<String>, size: u32) -> Self {
        let more = names.len() > size as usize;
        names.truncate(size as usize);
        Self { names, more }
    }
}

impl Artifacts {
    /// Up to `size` tags after `after`.
    ///
    /// # Errors
    /// [`ArtifactError::NameUnknown`] for a repository that nothing was pushed to.
    pub async fn tags(
        &self,
        call: &Call,
        repository: &RepositoryName,
        after: &str,
        size: u32,
    ) -> Result<Page, ArtifactError> {
        self.require(call, Action::List, repository)?;
        let size = size.min(PAGE_MAX);
        let names = self.metadata.tags(repository, after, size + 1).await?;
        let names = names.ok_or_else(|| ArtifactError::NameUnknown(repository.to_string()))?;
        Ok(Page::cut(names, size))
    }

    /// Up to `size` repositories after `after`.
    ///
    /// # Errors
    /// Denied by policy, or the database is unavailable.
    pub async fn repositories(&self, call: &Call, after: &str, size: u32) -> Result<Page, ArtifactError> {
        let call = self.authorizer.require_catalog(call)?;
        let size = size.min(PAGE_MAX);
        let mut found = Vec::new();
        let mut after = after.to_owned();
        loop {
            let page = self.metadata.repositories(&after, size + 1).await?;
            let ended = page.len() <= size as usize;
            after = page.last().cloned().unwrap_or_default();
            // repositories that the caller may not list are left out
            // names in rows are valid
            let names: Vec<RepositoryName> = page.iter().filter_map(|name| name.parse().ok()).collect();
            let listed = self.authorizer.listed(&call, names, |name| Resource::Repository(name)).await;
            found.extend(listed.iter().map(ToString::to_string));
            if ended || found.len() > size as usize {
                found.truncate(size as usize + 1);
                return Ok(Page::cut(found, size));
            }
        }
    }

    /// Manifests that refer to a subject, oldest first. An unknown subject has none.
    ///
    /// # Errors
    /// Denied by policy, or the database is unavailable.
    pub async fn referrers(&self, call: &Call, query: ReferrersQuery<'_>) -> Result<Vec<Referrer>, ArtifactError> {
        self.require(call, Action::Read, query.repository)?;
        Ok(self.metadata.referrers(query).await?)
    }
}
