//! Listing objects and versions, in pages, in byte order of their keys.

use zot_core::object_key::LAST;
use zot_core::policy::Operation;

use crate::bucket::Buckets;
use crate::call::Call;
use crate::error::{ObjectError, Result};
use crate::ports::objects::{Entry, ListQuery, ObjectVersion, VersionsQuery};

/// Most entries of a page.
pub const PAGE_MAX: u32 = 1000;

/// A page of a listing.
#[derive(Debug)]
pub struct Listing {
    /// Objects and rolled-up prefixes, in byte order.
    pub entries: Vec<Entry>,
    pub more: bool,
}

impl Listing {
    pub fn last(&self) -> Option<&str> {
        match self.entries.last()? {
            Entry::Object(object) => Some(&object.key),
            Entry::Prefix(prefix) => Some(prefix),
        }
    }
}

/// A page of versions.
#[derive(Debug)]
pub struct VersionListing {
    /// By key, then newest first.
    pub versions: Vec<ObjectVersion>,
    pub prefixes: Vec<String>,
    /// Where the next page begins: a key, and a version if the key has more of them.
    pub next: Option<(String, Option<String>)>,
}

impl Buckets {
    /// # Errors
    /// [`crate::ObjectError::NoSuchBucket`].
    pub async fn list(&self, call: &Call, query: ListQuery<'_>) -> Result<Listing, ObjectError> {
        self.require_list(call, Operation::ListBucket, query.bucket, query.prefix)?;
        self.existing(query.bucket).await?;
        let limit = query.limit.min(PAGE_MAX);
        if limit == 0 {
            return Ok(Listing { entries: Vec::new(), more: false });
        }
        let after = behind(query.prefix, query.delimiter, query.after);
        let mut entries = self.objects.list(ListQuery { after: &after, limit: limit + 1, ..query }).await?;
        let more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        Ok(Listing { entries, more })
    }

    /// # Errors
    /// [`crate::ObjectError::NoSuchBucket`].
    pub async fn list_versions(
        &self,
        call: &Call,
        query: ListQuery<'_>,
        after_version: Option<&str>,
    ) -> Result<VersionListing, ObjectError> {
        self.require_list(call, Operation::ListBucketVersions, query.bucket, query.prefix)?;
        self.existing(query.bucket).await?;
        let mut cursor = Cursor::of(self, &query, after_version).await?;
        let mut page = VersionListing { versions: Vec::new(), prefixes: Vec::new(), next: None };
        let limit = query.limit.min(PAGE_MAX) as usize;
        let mut last = None;
        if limit == 0 {
            return Ok(page);
        }
        loop {
            let batch = self.objects.list_versions(cursor.query(&query)).await?;
            if batch.is_empty() {
                return Ok(page);
            }
            let found = roll_up(batch, &mut cursor, query.prefix, query.delimiter);
            for item in found {
                if page.versions.len() + page.prefixes.len() == limit {
                    page.next = last;
                    return Ok(page);
                }
                match item {
                    Item::Version(version) => {
                        last = Some((version.key.clone(), Some(version.version_id.clone())));
                        page.versions.push(*version);
                    }
                    Item::Prefix(prefix) => {
                        last = Some((prefix.clone(), None));
                        page.prefixes.push(prefix);
                    }
                }
            }
        }
    }
}

/// The position in a listing.
struct Cursor {
    key: String,
    seq: Option<i64>,
}

enum Item {
    Version(Box<ObjectVersion>),
    Prefix(String),
}

impl Cursor {
    async fn of(buckets: &Buckets, query: &ListQuery<'_>, version: Option<&str>) -> Result<Self, ObjectError> {
        let seq = match version {
            None => None,
            Some(version) => {
                let found = buckets.objects.object(query.bucket, query.after, Some(version)).await?;
                // the marker version was deleted meanwhile: repeat the rest of its key rather than skip it
                Some(found.map_or(i64::MAX, |found| found.seq))
            }
        };
        // without a version the whole key is skipped
        Ok(Self { key: behind(query.prefix, query.delimiter, query.after), seq })
    }

    fn query<'a>(&'a self, query: &ListQuery<'a>) -> VersionsQuery<'a> {
        VersionsQuery {
            bucket: query.bucket,
            prefix: query.prefix,
            after_key: &self.key,
            after_seq: self.seq,
            limit: PAGE_MAX + 1,
        }
    }
}

/// The versions before the first that is rolled up, and that one's prefix. Moves the cursor past them.
fn roll_up(versions: Vec<ObjectVersion>, cursor: &mut Cursor, prefix: &str, delimiter: Option<&str>) -> Vec<Item> {
    let mut items = Vec::new();
    for version in versions {
        if let Some(rolled) = rolled_up(prefix, delimiter, &version.key) {
            *cursor = Cursor { key: format!("{rolled}{LAST}"), seq: None };
            items.push(Item::Prefix(rolled));
            return items;
        }
        *cursor = Cursor { key: version.key.clone(), seq: Some(version.seq) };
        items.push(Item::Version(Box::new(version)));
    }
    items
}

/// The prefix that a key is rolled up into.
pub fn rolled_up(prefix: &str, delimiter: Option<&str>, key: &str) -> Option<String> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

/// The key after which a page begins: a marker that is a rolled-up prefix skips all keys below it.
fn behind(prefix: &str, delimiter: Option<&str>, marker: &str) -> String {
    match rolled_up(prefix, delimiter, marker) {
        Some(rolled) if rolled == marker => format!("{rolled}{LAST}"),
        _ => marker.to_owned(),
    }
}
