//! Checks each blob: its rows must add up to its length, and for a sample the bytes must have its digest.

use std::collections::HashSet;

use futures_util::StreamExt as _;
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::Hasher;
use zot_core::range::ByteRange;

use super::{Finding, Fsck, Kind, Progress, Report, Scope, is_damage};
use crate::error::Result;
use crate::ports::metadata::{Content, Segment};
use crate::ports::upkeep::BlobRecord;
use crate::read::open;

const PAGE: u32 = 200;
/// Findings whose blob is looked up by name. The limit is for a lost storage bucket.
const NAMED_MAX: usize = 1000;

impl Fsck {
    /// Blobs that are `known` to be damaged are not read.
    pub(super) async fn check_blobs(
        &self,
        scope: Scope,
        progress: Progress<'_>,
        known: &HashSet<i64>,
        report: &mut Report,
    ) -> Result<()> {
        let mut after = 0;
        // the first blob is always sampled: a small store has few
        let mut due = 100 - u64::from(scope.verify_percent);
        loop {
            let page = self.upkeep.blobs_after(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            for blob in page.into_iter().filter(|blob| !blob.merged) {
                report.blobs += 1;
                due += u64::from(scope.verify_percent);
                // evenly spread: a blob is sampled when another hundred is reached
                let sampled = due >= 100 && scope.verify_percent > 0;
                due -= if sampled { 100 } else { 0 };
                let sampled = sampled && !known.contains(&blob.id);
                self.check_blob(scope, &blob, sampled, report).await?;
            }
            progress("blobs", report.blobs);
        }
    }

    async fn check_blob(&self, scope: Scope, blob: &BlobRecord, sampled: bool, report: &mut Report) -> Result<()> {
        if blob.quarantined {
            self.check_quarantined(scope, blob, report).await?;
        } else if !is_complete(blob) {
            self.check_again(blob, report).await?;
        } else if sampled {
            report.verified += 1;
            report.verified_bytes += blob.size;
            match self.damage(blob).await {
                Ok(None) => {}
                Ok(Some(why)) => {
                    report.findings.push(Finding::of_blob(Kind::Damaged, blob, format!("{}: {why}", describe(blob))));
                }
                Err(error) if self.is_of_one(&error, report).await => report.findings.push(unreadable(blob, &error)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The bytes may be back, from a backup of the storage.
    async fn check_quarantined(&self, scope: Scope, blob: &BlobRecord, report: &mut Report) -> Result<()> {
        let mut finding = Finding::of_blob(Kind::Quarantined, blob, describe(blob));
        if scope.repair && is_provable(blob) && !self.has_damage(blob).await? {
            self.upkeep.restore_blob(blob.id).await?;
            finding.repaired = true;
        }
        finding.out_of_use = !finding.repaired;
        report.findings.push(finding);
        Ok(())
    }

    /// The page was read by several queries; the blob may have been removed meanwhile.
    async fn check_again(&self, blob: &BlobRecord, report: &mut Report) -> Result<()> {
        let now = self.upkeep.blobs_after(blob.id - 1, 1).await?;
        if let Some(now) = now.into_iter().find(|now| now.id == blob.id && !now.merged && !is_complete(now)) {
            report.findings.push(Finding::of_blob(Kind::Incomplete, &now, describe(&now)));
        }
        Ok(())
    }

    /// Adds the blob and its user to findings about missing or wrong segments.
    pub(super) async fn name_blobs(&self, report: &mut Report) -> Result<()> {
        for finding in report.findings.iter_mut().filter(|finding| finding.blob.is_some()).take(NAMED_MAX) {
            let id = finding.blob.unwrap_or_default();
            let found = self.upkeep.blobs_after(id - 1, 1).await?;
            if let Some(blob) = found.iter().find(|blob| blob.id == id) {
                finding.subject = format!("{}: {}", describe(blob), finding.subject);
                finding.know(blob);
            }
        }
        Ok(())
    }

    /// Whether a blob is damaged now.
    pub(super) async fn is_damaged(&self, blob: i64) -> Result<bool> {
        let now = self.upkeep.blobs_after(blob - 1, 1).await?;
        let Some(now) = now.into_iter().find(|now| now.id == blob) else { return Ok(false) };
        if now.quarantined || now.merged {
            return Ok(false);
        }
        self.has_damage(&now).await
    }

    /// Whether rows, sizes in storage or bytes are wrong.
    async fn has_damage(&self, blob: &BlobRecord) -> Result<bool> {
        if let Content::Segments(segments) = &blob.content {
            for segment in segments {
                if self.inventory.size(&segment.key).await? != Some(segment.size) {
                    return Ok(true);
                }
            }
        }
        Ok(!is_complete(blob) || self.damage(blob).await?.is_some())
    }

    /// Why the bytes are damaged. None if they are not.
    async fn damage(&self, blob: &BlobRecord) -> Result<Option<String>> {
        let parts = match &blob.content {
            Content::Inline(_) => vec![(blob.content.clone(), ByteRange { start: 0, end: blob.size }, None)],
            Content::Segments(segments) => segments.iter().map(part).collect(),
        };
        let mut whole = Hasher::new(Algorithm::Sha256);
        for (content, range, expected) in parts {
            let mut own = Hasher::new(Algorithm::Sha256);
            let mut bytes = open(&*self.blobs, &content, range);
            while let Some(chunk) = bytes.next().await {
                match chunk {
                    Ok(chunk) => {
                        own.update(&chunk);
                        whole.update(&chunk);
                    }
                    Err(error) if is_damage(&error) => return Ok(Some("its bytes cannot be read".to_owned())),
                    Err(error) => return Err(error),
                }
            }
            if expected.is_some_and(|expected| expected != own.finish().sha256) {
                return Ok(Some("the digest of a segment changed since it was written".to_owned()));
            }
        }
        let found = whole.finish().sha256;
        let named = blob.sha256();
        Ok(named.filter(|named| **named != found).map(|_| format!("its bytes have the digest {found}")))
    }
}

fn unreadable(blob: &BlobRecord, error: &crate::Error) -> Finding {
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Finding::of_blob(Kind::Unreadable, blob, format!("{}: {why}", describe(blob)))
}

type Part = (Content, ByteRange, Option<Digest>);

fn part(segment: &Segment) -> Part {
    let range = ByteRange { start: segment.start, end: segment.start + segment.size };
    (Content::Segments(vec![segment.clone()]), range, segment.sha256.clone())
}

/// Whether a digest proves the bytes: the blob's own, or that of each segment.
fn is_provable(blob: &BlobRecord) -> bool {
    let segments_tell = match &blob.content {
        Content::Segments(segments) => segments.iter().all(|segment| segment.sha256.is_some()),
        Content::Inline(_) => false,
    };
    segments_tell || !blob.digests.is_empty()
}

/// Whether inline bytes or consecutive segments add up to the length.
fn is_complete(blob: &BlobRecord) -> bool {
    match &blob.content {
        Content::Inline(bytes) => bytes.len() as u64 == blob.size,
        Content::Segments(segments) => {
            let mut end = 0;
            segments.iter().all(|segment| {
                let fits = segment.start == end;
                end += segment.size;
                fits
            }) && end == blob.size
        }
    }
}

fn describe(blob: &BlobRecord) -> String {
    let name =
        blob.sha256().map_or_else(|| format!("blob {} without a digest", blob.id), |digest| format!("blob {digest}"));
    match &blob.used_by {
        Some(user) => format!("{name}, {} bytes, used by {user}", blob.size),
        None => format!("{name}, {} bytes, unreferenced", blob.size),
    }
}
