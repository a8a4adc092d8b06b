//! Digests that a client announces of a document: `Content-MD5` and `x-amz-checksum-*`.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::{S3Error, S3Result, s3_error};
use zot_core::checksum::Algorithm;
use zot_core::hash::Hasher;
use zot_domain::ObjectError;

use crate::error::to_s3;

/// Headers with the prefix of checksums that are none.
const NO_CHECKSUMS: [&str; 3] = ["algorithm", "mode", "type"];

/// Compares each announced digest with the document's. `with_checksum`: the checksum is the document's.
pub(super) fn verify(
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    document: &[u8],
    with_checksum: bool,
) -> S3Result<()> {
    if let Some(value) = headers.get("content-md5") {
        let announced: Option<[u8; 16]> = STANDARD.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
        let announced =
            announced.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid"))?;
        let (md5, _) = sums(document, Algorithm::Crc32)?;
        if md5 != hex::encode(announced) {
            return Err(to_s3(ObjectError::Md5Mismatch));
        }
    }
    if !with_checksum {
        return Ok(());
    }
    let mut announced = Vec::new();
    for (name, value) in headers.iter().chain(trailers.into_iter().flatten()) {
        let Some(name) = name.as_str().strip_prefix("x-amz-checksum-").filter(|it| !NO_CHECKSUMS.contains(it)) else {
            continue;
        };
        announced.push((Algorithm::parse(name).ok_or_else(unknown)?, value.to_str().unwrap_or_default()));
    }
    match announced.as_slice() {
        [] => match headers.get("x-amz-sdk-checksum-algorithm") {
            None => Ok(()),
            Some(_) => Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
                 were found."
            )),
        },
        [(algorithm, value)] => compare(document, *algorithm, value),
        _ => Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header")),
    }
}

fn compare(document: &[u8], algorithm: Algorithm, value: &str) -> S3Result<()> {
    if !algorithm.is_valid(value) {
        return Err(to_s3(ObjectError::ChecksumMalformed(algorithm)));
    }
    let (_, actual) = sums(document, algorithm)?;
    if actual == value {
        return Ok(());
    }
    let name = algorithm.as_str();
    Err(to_s3(ObjectError::ChecksumMismatch(format!("the {name} you specified did not match the document"))))
}

/// MD5 in hex, and the checksum in base64.
fn sums(document: &[u8], algorithm: Algorithm) -> S3Result<(String, String)> {
    let mut hasher = Hasher::for_object(algorithm);
    hasher.update(document);
    let sums = hasher.finish().object.ok_or_else(|| s3_error!(InternalError))?;
    Ok((sums.md5, sums.checksum.1))
}

fn unknown() -> S3Error {
    s3_error!(
        InvalidRequest,
        "Checksum algorithm provided is unsupported. Use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256"
    )
}
