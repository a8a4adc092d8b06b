//! Putting objects: the bytes are stored and checked against the client's digests and length, then one transaction
//! follows.

use zot_core::AuditAction;
use zot_core::checksum::{Algorithm, Checksums};
use zot_core::hash::{Digests, Hasher, ObjectSums};
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::render::{RENDER_VERSION, Rendering};

use crate::body;
use crate::bucket::Buckets;
use crate::call::Call;
use crate::condition::WriteCondition;
use crate::error::{Error, ObjectError, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::metadata::{Audit, Content, INLINE_MAX, NewContent, Segment};
use crate::ports::objects::{Attributes, Put, PutObject, Source};

/// What a client announces about a body. It is checked against the received bytes.
#[derive(Default)]
pub struct Expected {
    /// The SHA-256 that the signature covers.
    pub sha256: Option<[u8; 32]>,
    pub md5: Option<[u8; 16]>,
    /// In bytes.
    pub length: Option<u64>,
    /// None: CRC64NVME is computed.
    pub algorithm: Option<Algorithm>,
    /// The checksum's value, once the body has ended: it may be a trailer.
    pub checksum: Option<Box<dyn FnOnce() -> Result<Option<String>> + Send>>,
}

#[derive(Clone, Debug)]
pub struct PutOutcome {
    pub put: Put,
    /// Without quotes.
    pub etag: String,
    pub checksums: Checksums,
    pub manifest_digest: Option<zot_core::digest::Digest>,
    pub size: u64,
}

/// A received body, durable or small, with its computed digests.
pub(super) struct Received {
    pub content: NewContent,
    pub sums: ObjectSums,
}

impl Buckets {
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::ChecksumMismatch`], [`Error::BodyIncomplete`],
    /// [`ObjectError::PreconditionFailed`].
    pub async fn put_object(
        &self,
        call: &Call,
        (bucket, key): (&str, &ObjectKey),
        attributes: Attributes,
        condition: WriteCondition,
        expected: Expected,
        body: ByteStream,
    ) -> Result<PutOutcome, ObjectError> {
        let rights = self.put_rights(call, Operation::PutObject, bucket, key.as_str())?;
        // before the bytes: a client that names an absent bucket should not have to send them
        self.existing(bucket).await?;
        let received = self.receive(body, expected, INLINE_MAX).await?;
        let size = received.content.size;
        let rendering = Rendering {
            digest: received.content.digests.sha256.as_str(),
            size,
            content_type: &attributes.content_type,
            key: key.as_str(),
            version: RENDER_VERSION,
        };
        let manifest_digest = Some(rendering.manifest_digest());
        let checksums = Checksums { values: [received.sums.checksum].into(), ..Checksums::default() };
        let put = PutObject {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            source: Source::New(received.content),
            etag: received.sums.md5.clone(),
            attributes,
            checksums: checksums.clone(),
            part_sizes: None,
            manifest_digest: manifest_digest.clone(),
            condition,
            rights,
            audit: Audit::of(call, AuditAction::ObjectPut, format!("object:{bucket}/{}", key.as_str())),
        };
        let put = self.objects.put_object(put).await;
        let put = self.authorizer.settle(call, rights, Resource::Object(bucket, key.as_str()), put)?;
        Ok(PutOutcome { put, etag: received.sums.md5, checksums, manifest_digest, size })
    }

    /// Receives a body and checks it against `expected`. Up to `small` bytes stay in memory.
    pub(super) async fn receive(
        &self,
        mut body: ByteStream,
        expected: Expected,
        small: usize,
    ) -> Result<Received, ObjectError> {
        self.blobs.admit()?;
        self.objects.admit()?;
        let mut hasher = Hasher::for_object(expected.algorithm.unwrap_or(Algorithm::Crc64Nvme));
        let head = body::head(&mut body, bytes::Bytes::new(), small).await;
        let (hasher, content, broken) = if head.ended && head.bytes.len() <= small {
            hasher.update(&head.bytes);
            (hasher, Content::Inline(head.bytes), head.broken)
        } else {
            let rest: ByteStream = if head.ended { Box::pin(futures_util::stream::empty()) } else { body };
            let written = self.blobs.write(head.bytes, rest, hasher).await?;
            let segment = Segment { key: written.key, start: 0, size: written.size, sha256: None };
            (written.hasher, Content::Segments(vec![segment]), head.broken.or(written.broken))
        };
        let size = hasher.length();
        let digests = hasher.finish();
        match broken.map_or_else(|| check(&digests, size, expected), |broken| Err(broken.into())) {
            Ok(sums) => {
                let content = named(content, &digests);
                Ok(Received { content: NewContent { digests, size, content }, sums })
            }
            Err(error) => {
                self.discard(&content).await;
                Err(error)
            }
        }
    }

    async fn discard(&self, content: &Content) {
        if let Content::Segments(segments) = content {
            for segment in segments {
                self.blobs.discard(&segment.key).await;
            }
        }
    }
}

/// If these bytes are one segment, it has their digest.
fn named(content: Content, digests: &Digests) -> Content {
    match content {
        Content::Segments(mut segments) => {
            for segment in &mut segments {
                segment.sha256 = Some(digests.sha256.clone());
            }
            Content::Segments(segments)
        }
        inline @ Content::Inline(_) => inline,
    }
}

fn check(digests: &Digests, size: u64, expected: Expected) -> Result<ObjectSums, ObjectError> {
    let sums = digests.object.clone().ok_or_else(|| Error::Internal("no sums of an object".to_owned()))?;
    if expected.length.is_some_and(|length| length != size) {
        return Err(Error::BodyIncomplete.into());
    }
    if let Some(sha256) = expected.sha256
        && digests.sha256.as_str() != format!("sha256:{}", hex::encode(sha256))
    {
        return Err(ObjectError::SignedHashMismatch);
    }
    if expected.md5.is_some_and(|md5| hex::encode(md5) != sums.md5) {
        return Err(ObjectError::Md5Mismatch);
    }
    if let Some(announced) = expected.checksum
        && let Some(value) = announced()?
    {
        let (algorithm, actual) = &sums.checksum;
        let name = algorithm.as_str();
        if !algorithm.is_valid(&value) {
            return Err(ObjectError::ChecksumMalformed(*algorithm));
        }
        if value != *actual {
            return Err(ObjectError::ChecksumMismatch(format!("the {name} you specified did not match the body")));
        }
    }
    Ok(sums)
}
