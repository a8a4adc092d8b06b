//! Multipart uploads: each part is a segment. Completing only writes metadata: a blob of these segments, readable at
//! once.
//!
//! Source: S3 API reference, *CreateMultipartUpload* to *CompleteMultipartUpload*. The SHA-256 of the object is not
//! known at that time; [`super::digest`] computes it.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use zot_core::AuditAction;
use zot_core::Invalid;
use zot_core::checksum::{Algorithm, Checksums, Kind};
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::range::ByteRange;

use crate::bucket::Buckets;
use crate::bucket::copy::CopySource;
use crate::bucket::put::Expected;
use crate::call::Call;
use crate::condition::WriteCondition;
use crate::error::{Error, ObjectError, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::metadata::Audit;
use crate::ports::metadata::{Content, Segment};
use crate::ports::objects::{
    BeginMultipart, CompleteMultipart, Multipart, MultipartInput, Part, Put, PutObject, Source,
};

/// Most parts, and the highest part number.
pub const PARTS_MAX: i64 = 10_000;
/// Smallest size in bytes of all parts except the last.
pub const PART_MIN: u64 = 5 * 1024 * 1024;
/// Parts expire after this time.
const LIFETIME_SECS: i64 = 7 * 24 * 3600;

/// A part as the client names it in CompleteMultipartUpload.
#[derive(Clone, Debug)]
pub struct NamedPart {
    pub number: i64,
    /// Without quotes.
    pub etag: String,
    /// Its checksum, if the client repeats it.
    pub checksum: Option<(Algorithm, String)>,
}

/// The result of completing an upload.
#[derive(Clone, Debug)]
pub struct Completed {
    /// None for a repeated request.
    pub put: Option<Put>,
    pub etag: String,
    pub checksums: Checksums,
}

/// What a client says about the whole object when it completes an upload.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    pub checksum: Option<(Algorithm, String)>,
    /// In bytes.
    pub size: Option<u64>,
}

impl Buckets {
    /// Begins an upload and returns its id.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn begin_multipart(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        input: MultipartInput,
    ) -> Result<String, ObjectError> {
        self.put_rights(call, Operation::PutObject, bucket, key.as_str())?;
        if input.kind == Kind::FullObject && matches!(input.algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256)) {
            return Err(Invalid::Checksum("SHA1 and SHA256 have the checksum type COMPOSITE only".to_owned()).into());
        }
        let id = zot_core::ambient::random_id().simple().to_string();
        let begin = BeginMultipart {
            id: id.clone(),
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            input,
            lifetime_secs: LIFETIME_SECS,
            audit: Audit::of(call, AuditAction::MultipartBegin, format!("object:{bucket}/{}", key.as_str())),
        };
        if self.objects.begin_multipart(begin).await? {
            Ok(id)
        } else {
            Err(ObjectError::NoSuchBucket(bucket.to_owned()))
        }
    }

    /// Uploads a part. It replaces an earlier one with the same number.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchMultipart`], [`ObjectError::PartNumberInvalid`], and as [`Buckets::put_object`].
    pub async fn upload_part(
        &self,
        call: &Call,
        (bucket, key): (&str, &ObjectKey),
        id: &str,
        number: i64,
        mut expected: Expected,
        body: ByteStream,
    ) -> Result<Part, ObjectError> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(ObjectError::PartNumberInvalid(number));
        }
        let upload = self.multipart(call, Operation::PutObject, (bucket, key), id).await?;
        if let (Some(sent), Some(begun)) = (expected.algorithm, upload.input.algorithm)
            && sent != begun
        {
            let (sent, begun) = (sent.as_str(), begun.as_str());
            return Err(Invalid::Checksum(format!("the upload was begun with {begun}, the part has {sent}")).into());
        }
        expected.algorithm = expected.algorithm.or(upload.input.algorithm);
        let received = self.receive_segment(body, expected).await?;
        if self.objects.add_part(id, Part { number, ..received.clone() }).await? {
            Ok(Part { number, ..received })
        } else {
            Err(ObjectError::NoSuchMultipart)
        }
    }

    /// Writes a body as a segment, however small: an object is made of its parts' segments.
    async fn receive_segment(&self, body: ByteStream, expected: Expected) -> Result<Part, ObjectError> {
        // no chunk may stay in memory, but an empty body has no first byte
        let body: ByteStream =
            Box::pin(futures_util::StreamExt::chain(futures_util::stream::iter([Ok(bytes::Bytes::new())]), body));
        let received = self.receive(body, expected, 0).await?;
        let segment = match received.content.content {
            Content::Segments(segments) => segments.into_iter().next(),
            Content::Inline(bytes) => {
                let hasher = zot_core::hash::Hasher::new(zot_core::digest::Algorithm::Sha256);
                let written = self.blobs.write(bytes, Box::pin(futures_util::stream::empty()), hasher).await?;
                let sha256 = Some(received.content.digests.sha256.clone());
                Some(Segment { key: written.key, start: 0, size: written.size, sha256 })
            }
        };
        let segment = segment.ok_or_else(|| Error::Internal("a part without a segment".to_owned()))?;
        let checksums = Checksums { values: [received.sums.checksum].into(), ..Checksums::default() };
        Ok(Part { number: 0, segment, etag: received.sums.md5, checksums, created: 0 })
    }

    /// Uploads a part that is copied from an object.
    ///
    /// # Errors
    /// As [`Buckets::upload_part`] and [`Buckets::copyable`]; [`ObjectError::RangeBeyondSource`].
    pub async fn copy_part(
        &self,
        call: &Call,
        source: CopySource<'_>,
        range: Option<ByteRange>,
        (bucket, key): (&str, &ObjectKey),
        id: &str,
        number: i64,
    ) -> Result<Part, ObjectError> {
        let from = self.copyable(call, &source).await?;
        let range = range.unwrap_or(ByteRange { start: 0, end: from.size });
        if range.end > from.size || range.start > range.end {
            return Err(ObjectError::RangeBeyondSource(from.size));
        }
        let body = self.open(&from, range);
        self.upload_part(call, (bucket, key), id, number, Expected::default(), body).await
    }

    /// An open upload, for an operation that writes.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchMultipart`].
    pub async fn multipart(
        &self,
        call: &Call,
        operation: Operation,
        (bucket, key): (&str, &ObjectKey),
        id: &str,
    ) -> Result<Multipart, ObjectError> {
        self.put_rights(call, operation, bucket, key.as_str())?;
        match self.objects.multipart(bucket, key.as_str(), id).await? {
            Some(upload) => Ok(upload),
            None => {
                self.existing(bucket).await?;
                Err(ObjectError::NoSuchMultipart)
            }
        }
    }

    /// Up to `limit` parts after `after`.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchMultipart`].
    pub async fn parts(
        &self,
        call: &Call,
        (bucket, key): (&str, &ObjectKey),
        id: &str,
        after: i64,
        limit: u32,
    ) -> Result<(Multipart, Vec<Part>), ObjectError> {
        let upload = self.multipart(call, Operation::ListMultipartUploadParts, (bucket, key), id).await?;
        Ok((upload, self.objects.parts(id, after, limit).await?))
    }

    /// Up to `limit` open uploads after `(key, id)`.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn multiparts(
        &self,
        call: &Call,
        bucket: &str,
        prefix: &str,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<Multipart>, ObjectError> {
        self.require_list(call, Operation::ListBucketMultipartUploads, bucket, prefix)?;
        self.existing(bucket).await?;
        Ok(self.objects.multiparts(bucket, prefix, after, limit).await?)
    }

    /// Aborts an upload.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchMultipart`].
    pub async fn abort_multipart(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        id: &str,
    ) -> Result<(), ObjectError> {
        self.multipart(call, Operation::AbortMultipartUpload, (bucket, key), id).await?;
        let audit = Audit::of(call, AuditAction::MultipartAbort, format!("object:{bucket}/{}", key.as_str()));
        let aborted = self.objects.abort_multipart(bucket, key.as_str(), id, audit).await?;
        if aborted { Ok(()) } else { Err(ObjectError::NoSuchMultipart) }
    }

    /// Makes an object of the parts. Within 7 days, a repeated request gets the same answer.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchMultipart`], [`ObjectError::PartInvalid`], [`ObjectError::PartOrderInvalid`],
    /// [`ObjectError::PartTooSmall`],
    /// [`ObjectError::PreconditionFailed`]: then the upload stays open.
    pub async fn complete_multipart(
        &self,
        call: &Call,
        (bucket, key): (&str, &ObjectKey),
        id: &str,
        named: &[NamedPart],
        announced: Announced,
        condition: WriteCondition,
    ) -> Result<Completed, ObjectError> {
        let rights = self.put_rights(call, Operation::PutObject, bucket, key.as_str())?;
        let Some(upload) = self.objects.multipart(bucket, key.as_str(), id).await? else {
            return self.repeated(bucket, key, id).await;
        };
        let parts = match self.named_parts(id, named).await {
            Err(ObjectError::PartInvalid(_)) if self.objects.multipart(bucket, key.as_str(), id).await?.is_none() => {
                // another request ended the upload and deleted its parts
                return self.repeated(bucket, key, id).await;
            }
            parts => parts?,
        };
        let checksums = combined(&upload.input, &parts)?;
        if let Some((algorithm, value)) = announced.checksum
            && checksums.values.get(&algorithm) != Some(&value)
        {
            let name = algorithm.as_str();
            return Err(ObjectError::ChecksumMismatch(format!(
                "the {name} you specified did not match the parts together"
            )));
        }
        let size = parts.iter().map(|part| part.segment.size).sum();
        if announced.size.is_some_and(|announced| announced != size) {
            return Err(ObjectError::SizeMismatch(size));
        }
        let etag = etag_of(&parts)?;
        let result = serde_json::to_string(&(&etag, &checksums)).map_err(|e| Error::Internal(e.to_string()))?;
        let object = PutObject {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            source: Source::Blob { blob: 0, size },
            etag: etag.clone(),
            attributes: upload.input.attributes,
            checksums: checksums.clone(),
            part_sizes: Some(parts.iter().map(|part| part.segment.size).collect()),
            manifest_digest: None,
            condition,
            rights,
            audit: Audit::of(call, AuditAction::MultipartComplete, format!("object:{bucket}/{}", key.as_str())),
        };
        let complete = CompleteMultipart { id: id.to_owned(), parts, object, result };
        let completed = self.objects.complete_multipart(complete).await;
        match self.authorizer.settle(call, rights, Resource::Object(bucket, key.as_str()), completed)? {
            Some(put) => Ok(Completed { put: Some(put), etag, checksums }),
            // another request completed or aborted the upload first
            None => self.repeated(bucket, key, id).await,
        }
    }

    async fn repeated(&self, bucket: &str, key: &ObjectKey, id: &str) -> Result<Completed, ObjectError> {
        self.existing(bucket).await?;
        let result =
            self.objects.multipart_result(bucket, key.as_str(), id).await?.ok_or(ObjectError::NoSuchMultipart)?;
        let (etag, checksums) = serde_json::from_str(&result).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Completed { put: None, etag, checksums })
    }

    /// The uploaded parts that the client names, in order.
    async fn named_parts(&self, id: &str, named: &[NamedPart]) -> Result<Vec<Part>, ObjectError> {
        if named.is_empty() || named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(ObjectError::PartOrderInvalid);
        }
        if let Some(wrong) = named.iter().find(|part| !(1..=PARTS_MAX).contains(&part.number)) {
            return Err(ObjectError::PartNumberInvalid(wrong.number));
        }
        // every entity tag of a part is an MD5
        if let Some(wrong) = named.iter().find(|part| !hex::decode(&part.etag).is_ok_and(|md5| md5.len() == 16)) {
            return Err(ObjectError::PartInvalid(wrong.number));
        }
        let wanted: Vec<_> = named.iter().map(|part| (part.number, part.etag.clone())).collect();
        let uploaded = self.objects.named_parts(id, &wanted).await?;
        let mut uploaded: BTreeMap<i64, Part> = uploaded.into_iter().map(|part| (part.number, part)).collect();
        let mut parts = Vec::with_capacity(named.len());
        for (index, wanted) in named.iter().enumerate() {
            let part = uploaded.remove(&wanted.number).ok_or(ObjectError::PartInvalid(wanted.number))?;
            if let Some((algorithm, value)) = &wanted.checksum
                && part.checksums.values.get(algorithm) != Some(value)
            {
                return Err(ObjectError::PartInvalid(wanted.number));
            }
            if index + 1 < named.len() && part.segment.size < PART_MIN {
                return Err(ObjectError::PartTooSmall(wanted.number));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

/// `md5(md5(part 1) … md5(part N))-N`
fn etag_of(parts: &[Part]) -> Result<String, ObjectError> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).map_err(|_| Error::Internal("a part's entity tag is no MD5".to_owned()))?);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}

/// The object's checksum, if all parts have one of the same algorithm.
fn combined(input: &MultipartInput, parts: &[Part]) -> Result<Checksums, ObjectError> {
    let algorithm = input.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let values = parts.iter().map(|part| Some((part.checksums.values.get(&algorithm)?.clone(), part.segment.size)));
    let Some(values) = values.collect::<Option<Vec<_>>>() else { return Ok(Checksums::default()) };
    let value = algorithm.combine(input.kind, &values)?;
    Ok(Checksums { values: [(algorithm, value)].into(), kind: input.kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::blobs::SegmentKey;

    #[test]
    fn the_entity_tag_is_md5_of_md5s() {
        let part = |number, etag: &str| Part {
            number,
            segment: Segment { key: SegmentKey::new(), start: 0, size: 1, sha256: None },
            etag: etag.to_owned(),
            checksums: Checksums::default(),
            created: 0,
        };
        // md5("a"), md5("b"); the whole as `printf` and `md5sum` give it
        let parts = [part(1, "0cc175b9c0f1b6a831c399e269772661"), part(2, "92eb5ffee6ae2fec3ad71c777531578f")];
        assert_eq!(etag_of(&parts).unwrap(), "96e024ba2074fe77e8e965ba43a704be-2");
    }
}
