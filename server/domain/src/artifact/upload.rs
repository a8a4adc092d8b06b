//! Pushing blobs: at once, in a session of chunks that any replica takes up, or by mounting.
//!
//! A chunk is made durable first and counted second, by a compare-and-set on the session's row: of two replicas that
//! write one session, one wins, and the other one's bytes belong to nobody.

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

/// Chunks are gathered in the session's row up to this many bytes before they become a segment; clients are asked for
/// chunks of at least this size.
pub const TAIL_MAX: usize = 256 * 1024;
/// A session is forgotten this long after its last chunk.
pub const SESSION_LIFETIME_SECS: i64 = 24 * 3600;
/// Most sessions that one principal may have open.
pub const SESSIONS_MAX: i64 = 10_000;

impl Artifacts {
    /// Opens an upload session and gives its id.
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

    /// A session as it stands.
    ///
    /// # Errors
    /// [`ArtifactError::UploadUnknown`], also for a session of another repository or principal.
    pub async fn upload(&self, call: &Call, repository: &RepositoryName, id: &str) -> Result<Upload, ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let upload = self.metadata.upload(id, repository, &call.principal.subject).await?;
        upload.ok_or(ArtifactError::UploadUnknown)
    }

    /// Takes a chunk into a session and gives the bytes it then holds. `start` is where the client says it begins.
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
        // what arrived before the body broke is kept: the client goes on from there
        chunk.broken.map_or(Ok(offset), |broken| Err(broken.into()))
    }

    /// Ends a session without a blob.
    ///
    /// # Errors
    /// [`ArtifactError::UploadUnknown`].
    pub async fn cancel_upload(&self, call: &Call, repository: &RepositoryName, id: &str) -> Result<(), ArtifactError> {
        self.require(call, Action::Create, repository)?;
        let cancelled = self.metadata.cancel_upload(id, repository, &call.principal.subject).await?;
        if cancelled { Ok(()) } else { Err(ArtifactError::UploadUnknown) }
    }

    /// Takes in the last chunk of a session, which may be empty, and makes the whole a blob of the repository;
    /// gives its length.
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

    /// Pushes a blob in one request and gives its length.
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

    /// Makes a blob of another repository one of this one; false if it is not there or may not be read there, which
    /// look alike. Without a source: from any repository, if the principal may read all of them.
    ///
    /// # Errors
    /// Of policy on the target, and of the database.
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
                // decided on the token alone: a client that asks for both scopes gets on
                denied?;
            }
        }
        let rights = self.push_rights(call, repository)?;
        let mount = MountBlob {
            // a denied mount takes the same way, and the same time, as one of a blob that is not there
            digest: if readable { digest.clone() } else { nobodys(call) },
            from: from.cloned(),
            repository: repository.clone(),
            rights,
            audit: Audit::of(call, AuditAction::BlobMount, format!("repository:{repository}@{digest}")),
        };
        self.settle(call, rights, repository, self.metadata.mount_blob(mount).await).map_err(Into::into)
    }

    /// Names durable bytes, if they are what the client says, and gives their length; none if another request went on
    /// with the session.
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

    /// Takes in a body behind a session's tail: kept in memory up to `small` bytes, else written as a segment.
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

    /// Why a session has not the segments that it had when it was read.
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

    /// Reads a session's segments once more, for an algorithm that the client named only at the end; none if they are not
    /// those of the session as it was read.
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

/// A digest that nothing has.
fn nobodys(call: &Call) -> Digest {
    Digest::of(Algorithm::Sha256, call.request_id.to_string().as_bytes())
}

/// A chunk that is durable (`segment`) or small (`tail`), never both.
struct Received {
    /// Over all bytes but the tail.
    hasher: Hasher,
    tail: Bytes,
    segment: Option<Segment>,
    broken: Option<Error>,
}

/// A blob up to this size stays in the database, if no segment of it was written yet.
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
