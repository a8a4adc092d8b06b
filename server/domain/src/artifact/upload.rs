//! Pushing blobs: in one request, in an upload session that any replica continues, or by mounting.
//!
//! A chunk becomes durable first. Then a compare-and-set on the session's row counts it. If two replicas write to one
//! session, one wins; garbage collection deletes the other's bytes.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::{Digests, Hasher};
use zot_core::name::RepositoryName;
use zot_core::policy::Resource;
use zot_core::range::ByteRange;

use crate::artifact::Artifacts;
use crate::artifact::read::builtin;
use crate::body;
use crate::call::Call;
use crate::error::{ArtifactError, Error, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::metadata::{
    AppendUpload, Audit, BeginUpload, CommitBlob, Content, INLINE_MAX, MountBlob, NewContent, Segment, Upload,
};

/// The session's row collects up to this many bytes before they become a segment. Clients are asked for chunks of at
/// least this size.
pub const TAIL_MAX: usize = 256 * 1024;
/// A session expires this long after its last chunk.
pub const SESSION_LIFETIME_SECS: i64 = 24 * 3600;
/// Most sessions that one principal may have open.
pub const SESSIONS_MAX: i64 = 10_000;

impl Artifacts {
    /// Opens an upload session and returns its id.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] at [`SESSIONS_MAX`] open sessions.
    pub async fn begin_upload(
        &self,
        call: &Call,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<String, ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let id = zot_core::ambient::random_id().to_string();
        let upload = BeginUpload {
            id: id.clone(),
            repository: repository.clone(),
            actor: call.principal.subject.clone(),
            hash_state: Hasher::new(algorithm).save(),
            lifetime_secs: SESSION_LIFETIME_SECS,
            open_max: SESSIONS_MAX,
        };
        self.metadata.begin_upload(upload).await?;
        Ok(id)
    }

    /// The session's current state.
    ///
    /// # Errors
    /// [`ArtifactError::UploadUnknown`], also for a session of another repository or principal.
    pub async fn upload(&self, call: &Call, repository: &RepositoryName, id: &str) -> Result<Upload, ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let upload = self.metadata.upload(id, repository, &call.principal.subject).await?;
        upload.ok_or(ArtifactError::UploadUnknown)
    }

    /// Appends a chunk to a session and returns the session's new length. `start` is the offset that the client claims.
    ///
    /// # Errors
    /// [`ArtifactError::UploadOutOfOrder`] if it does not begin where the session ends, or another request was faster.
    pub async fn append_upload(
        &self,
        call: &Call,
        repository: &RepositoryName,
        id: &str,
        start: Option<u64>,
        body: ByteStream,
    ) -> Result<u64, ArtifactError> {
        let upload = self.upload(call, repository, id).await?;
        in_order(&upload, start)?;
        let chunk = self.receive(&upload, body, TAIL_MAX).await?;
        let offset = chunk.hasher.length() + chunk.tail.len() as u64;
        let append = AppendUpload {
            from: upload,
            offset,
            hash_state: chunk.hasher.save(),
            tail: chunk.tail,
            segment: chunk.segment,
            request_id: call.request_id,
            lifetime_secs: SESSION_LIFETIME_SECS,
        };
        if !self.metadata.append_upload(append).await? {
            let now = self.upload(call, repository, id).await?;
            return Err(ArtifactError::UploadOutOfOrder { offset: now.offset });
        }
        // what arrived before the body broke is kept: the client continues from there
        chunk.broken.map_or(Ok(offset), |broken| Err(broken.into()))
    }

    /// Cancels a session.
    ///
    /// # Errors
    /// [`ArtifactError::UploadUnknown`].
    pub async fn cancel_upload(&self, call: &Call, repository: &RepositoryName, id: &str) -> Result<(), ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let cancelled = self.metadata.cancel_upload(id, repository, &call.principal.subject).await?;
        if cancelled { Ok(()) } else { Err(ArtifactError::UploadUnknown) }
    }

    /// Appends the last chunk, which may be empty, and makes the session's content a blob of the repository. Returns
    /// its length.
    ///
    /// # Errors
    /// [`ArtifactError::DigestMismatch`] if the content is another one: the session stays as it was.
    pub async fn finish_upload(
        &self,
        call: &Call,
        repository: &RepositoryName,
        id: &str,
        start: Option<u64>,
        digest: &Digest,
        body: ByteStream,
    ) -> Result<u64, ArtifactError> {
        let mut upload = self.upload(call, repository, id).await?;
        in_order(&upload, start)?;
        if upload.offset == upload.tail.len() as u64 {
            // no byte was hashed yet, and now the algorithm is known
            upload.hash_state = Hasher::new(digest.algorithm()).save();
        }
        let mut chunk = self.receive(&upload, body, inline_max(&upload)).await?;
        if chunk.broken.is_none() && !chunk.hasher.computes(digest.algorithm()) {
            match self.rehash(&upload, &chunk, digest.algorithm()).await? {
                Some(hasher) => chunk.hasher = hasher,
                None => return Err(self.overtaken(call, repository, &upload, chunk).await),
            }
        }
        if let Some(size) = self.commit(call, repository, digest, Some(upload), chunk).await? {
            return Ok(size);
        }
        let now = self.upload(call, repository, id).await?;
        Err(ArtifactError::UploadOutOfOrder { offset: now.offset })
    }

    /// Pushes a blob in one request and returns its length.
    ///
    /// # Errors
    /// [`ArtifactError::DigestMismatch`] if the content is another one.
    pub async fn push_blob(
        &self,
        call: &Call,
        repository: &RepositoryName,
        digest: &Digest,
        body: ByteStream,
    ) -> Result<u64, ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let nothing = Upload {
            id: String::new(),
            epoch: 0,
            offset: 0,
            hash_state: Hasher::new(digest.algorithm()).save(),
            tail: Bytes::new(),
        };
        let chunk = self.receive(&nothing, body, INLINE_MAX).await?;
        let pushed = self.commit(call, repository, digest, None, chunk).await?;
        pushed.ok_or(ArtifactError::UploadUnknown)
    }

    /// Mounts a blob of another repository into this one. Returns false if it does not exist there or the caller may
    /// not read it: the caller cannot tell which. Without a source, any repository counts if the principal may read all
    /// of them.
    ///
    /// # Errors
    /// Denied by policy on the target, or the database is unavailable.
    pub async fn mount_blob(
        &self,
        call: &Call,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, ArtifactError> {
        self.require(call, Action::Create, repository)?;
        if builtin(digest).is_some() {
            return Ok(true);
        }
        let readable = match from {
            Some(source) => self.gate.may_read(call, None, Resource::Repository(source)),
            None => self.authorizer.reads_everything(&call.principal),
        };
        if let Some(source) = from.filter(|_| !readable) {
            let denied = self.require(call, Action::Read, source);
            if self.gate.may_read(&call.unbound(), None, Resource::Repository(source)) {
                // decided by the token alone, so that a client that asks for both scopes can continue
                denied?;
            }
        }
        let rights = self.push_rights(call, repository)?;
        let mount = MountBlob {
            // a denied mount takes the same path and time as one of an absent blob
            digest: if readable { digest.clone() } else { nobodys(call) },
            from: from.cloned(),
            repository: repository.clone(),
            rights,
            audit: Audit::of(call, AuditAction::BlobMount, format!("repository:{repository}@{digest}")),
        };
        self.settle(call, rights, repository, self.metadata.mount_blob(mount).await).map_err(Into::into)
    }

    /// Commits durable bytes if they have the announced digest, and returns their length. None if another request
    /// continued the session.
    async fn commit(
        &self,
        call: &Call,
        repository: &RepositoryName,
        digest: &Digest,
        upload: Option<Upload>,
        mut chunk: Received,
    ) -> Result<Option<u64>, ArtifactError> {
        chunk.hasher.update(&chunk.tail);
        let size = chunk.hasher.length();
        let digests = chunk.hasher.finish();
        let wrong = chunk.broken.map(Into::into).or_else(|| mismatch(&digests, digest));
        if let Some(error) = wrong {
            if let Some(segment) = chunk.segment {
                self.blobs.discard(&segment.key).await;
            }
            return Err(error);
        }
        let content = match chunk.segment {
            Some(mut segment) => {
                segment.sha256 = (segment.start == 0).then(|| digests.sha256.clone());
                Content::Segments(vec![segment])
            }
            None if size == chunk.tail.len() as u64 => Content::Inline(chunk.tail),
            None => Content::Segments(Vec::new()),
        };
        let rights = self.push_rights(call, repository)?;
        let commit = CommitBlob {
            repository: repository.clone(),
            content: NewContent { digests, size, content },
            upload,
            rights,
            audit: Audit::of(call, AuditAction::BlobPush, format!("repository:{repository}@{digest}")),
        };
        let committed = self.metadata.commit_blob(commit).await;
        Ok(self.settle(call, rights, repository, committed)?.then_some(size))
    }

    /// Reads a body after the session's tail. Up to `small` bytes stay in memory; more become a segment.
    async fn receive(&self, upload: &Upload, mut body: ByteStream, small: usize) -> Result<Received, ArtifactError> {
        self.blobs.admit()?;
        self.metadata.admit()?;
        let hasher = Hasher::resume(&upload.hash_state).map_err(|_| ArtifactError::UploadUnknown)?;
        let head = body::head(&mut body, upload.tail.clone(), small).await;
        if head.ended && (head.bytes.len() <= small || head.bytes.is_empty()) {
            return Ok(Received { hasher, tail: head.bytes, segment: None, broken: head.broken });
        }
        let start = hasher.length();
        let rest: ByteStream = if head.ended { Box::pin(stream::empty()) } else { body };
        let written = self.blobs.write(head.bytes, rest, hasher).await?;
        let segment = Segment { key: written.key, start, size: written.size, sha256: None };
        let broken = head.broken.or(written.broken);
        Ok(Received { hasher: written.hasher, tail: Bytes::new(), segment: Some(segment), broken })
    }

    /// The error for a session that changed since it was read.
    async fn overtaken(
        &self,
        call: &Call,
        repository: &RepositoryName,
        read: &Upload,
        chunk: Received,
    ) -> ArtifactError {
        if let Some(segment) = chunk.segment {
            self.blobs.discard(&segment.key).await;
        }
        match self.upload(call, repository, &read.id).await {
            Ok(now) if now.epoch == read.epoch => Error::Internal("a session's segments have a gap".to_owned()).into(),
            Ok(now) => ArtifactError::UploadOutOfOrder { offset: now.offset },
            Err(error) => error,
        }
    }

    /// Hashes a session's segments again, for an algorithm that the client named only at the end. None if the session
    /// changed since it was read.
    async fn rehash(
        &self,
        upload: &Upload,
        chunk: &Received,
        algorithm: Algorithm,
    ) -> Result<Option<Hasher>, ArtifactError> {
        let mut segments = self.metadata.upload_segments(&upload.id).await?;
        segments.extend(chunk.segment.clone());
        let length = chunk.hasher.length();
        let mut bytes = self.gate.open_internally(&Content::Segments(segments), ByteRange { start: 0, end: length });
        let mut hasher = Hasher::new(algorithm);
        while let Some(part) = bytes.next().await {
            hasher.update(&part?);
        }
        Ok((hasher.length() == length).then_some(hasher))
    }
}

/// A digest that no content has.
fn nobodys(call: &Call) -> Digest {
    Digest::of(Algorithm::Sha256, call.request_id.to_string().as_bytes())
}

/// A received chunk: durable (`segment`) or small (`tail`), never both.
struct Received {
    /// Covers all bytes except the tail.
    hasher: Hasher,
    tail: Bytes,
    segment: Option<Segment>,
    broken: Option<Error>,
}

/// The size up to which a blob stays in the database. 0 if the session has segments already.
fn inline_max(upload: &Upload) -> usize {
    if upload.offset == upload.tail.len() as u64 { INLINE_MAX } else { 0 }
}

fn in_order(upload: &Upload, start: Option<u64>) -> Result<(), ArtifactError> {
    match start {
        Some(start) if start != upload.offset => Err(ArtifactError::UploadOutOfOrder { offset: upload.offset }),
        _ => Ok(()),
    }
}

fn mismatch(digests: &Digests, wanted: &Digest) -> Option<ArtifactError> {
    let actual = digests.get(wanted.algorithm()).unwrap_or(&digests.sha256);
    (actual != wanted).then(|| ArtifactError::DigestMismatch { actual: actual.clone(), wanted: wanted.clone() })
}
