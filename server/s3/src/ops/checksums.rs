//! Converts checksums between the codec's five fields and the domain's map; reads what a request states about its body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::dto::{ChecksumAlgorithm, ChecksumType};
use s3s::{S3Request, S3Result, s3_error};
use zot_core::Invalid;
use zot_core::checksum::{Algorithm, Checksums, Kind};
use zot_domain::bucket::put::Expected;

use crate::sigv4::{PayloadHash, Trailers};

/// The five checksum fields of an input or output.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

/// Takes the fields out of an input.
macro_rules! fields_of {
    ($input:expr) => {
        $crate::ops::checksums::Fields {
            crc32: $input.checksum_crc32.take(),
            crc32c: $input.checksum_crc32c.take(),
            crc64nvme: $input.checksum_crc64nvme.take(),
            sha1: $input.checksum_sha1.take(),
            sha256: $input.checksum_sha256.take(),
        }
    };
}

/// Puts checksums into an output's fields.
macro_rules! set_checksums {
    ($output:expr, $checksums:expr) => {{
        let fields = $crate::ops::checksums::Fields::from($checksums);
        $output.checksum_crc32 = fields.crc32;
        $output.checksum_crc32c = fields.crc32c;
        $output.checksum_crc64nvme = fields.crc64nvme;
        $output.checksum_sha1 = fields.sha1;
        $output.checksum_sha256 = fields.sha256;
    }};
}
pub(super) use {fields_of, set_checksums};

impl From<&Checksums> for Fields {
    fn from(checksums: &Checksums) -> Self {
        let value = |algorithm| checksums.values.get(&algorithm).cloned();
        Self {
            crc32: value(Algorithm::Crc32),
            crc32c: value(Algorithm::Crc32c),
            crc64nvme: value(Algorithm::Crc64Nvme),
            sha1: value(Algorithm::Sha1),
            sha256: value(Algorithm::Sha256),
        }
    }
}

impl Fields {
    /// The single checksum that a client sent.
    pub(super) fn one(self) -> S3Result<Option<(Algorithm, String)>> {
        let all = [
            (Algorithm::Crc32, self.crc32),
            (Algorithm::Crc32c, self.crc32c),
            (Algorithm::Crc64Nvme, self.crc64nvme),
            (Algorithm::Sha1, self.sha1),
            (Algorithm::Sha256, self.sha256),
        ];
        let mut given = all.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?)));
        match (given.next(), given.next()) {
            (first, None) => Ok(first),
            _ => Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header")),
        }
    }
}

/// The type of known checksums.
pub(super) fn kind_of(checksums: &Checksums) -> Option<ChecksumType> {
    (!checksums.values.is_empty()).then(|| match checksums.kind {
        Kind::FullObject => ChecksumType::from_static(ChecksumType::FULL_OBJECT),
        Kind::Composite => ChecksumType::from_static(ChecksumType::COMPOSITE),
    })
}

pub(super) fn algorithm_of(name: Option<&ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    let parse = |name: &ChecksumAlgorithm| {
        let unknown = || {
            s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported. Use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256"
            )
        };
        Algorithm::parse(name.as_str()).ok_or_else(unknown)
    };
    name.map(parse).transpose()
}

/// What the request states about its body: signature, `Content-MD5`, length, and a checksum in a header or a trailer.
pub(super) fn expected<T>(
    request: &S3Request<T>,
    fields: Fields,
    algorithm: Option<&ChecksumAlgorithm>,
    md5: Option<&str>,
    length: Option<i64>,
) -> S3Result<Expected> {
    let sha256 = match request.extensions.get::<PayloadHash>() {
        Some(PayloadHash::Sha256(hash)) => Some(*hash),
        _ => None,
    };
    let announced = fields.one()?;
    let trailing = trailing_algorithm(request)?;
    let named = algorithm_of(algorithm)?;
    let algorithm = announced.as_ref().map(|(algorithm, _)| *algorithm).or(trailing).or(named);
    Ok(Expected {
        sha256,
        md5: md5.map(md5_of).transpose()?,
        length: length.and_then(|length| u64::try_from(length).ok()),
        algorithm,
        checksum: value_of(request, announced.map(|(_, value)| value), trailing),
    })
}

type Announced = Box<dyn FnOnce() -> zot_domain::Result<Option<String>> + Send>;

fn value_of<T>(request: &S3Request<T>, header: Option<String>, trailing: Option<Algorithm>) -> Option<Announced> {
    if let Some(value) = header {
        return Some(Box::new(move || Ok(Some(value))));
    }
    let (algorithm, trailers) = (trailing?, request.extensions.get::<Trailers>().cloned()?);
    Some(Box::new(move || {
        let name = format!("x-amz-checksum-{}", algorithm.as_str().to_lowercase());
        let value = trailers.get().and_then(|headers| headers.get(&name)).and_then(|value| value.to_str().ok());
        value
            .map(|value| Some(value.to_owned()))
            .ok_or_else(|| Invalid::Checksum(format!("the trailer {name} is missing")).into())
    }))
}

/// The algorithm of the checksum that `x-amz-trailer` announces.
fn trailing_algorithm<T>(request: &S3Request<T>) -> S3Result<Option<Algorithm>> {
    let Some(names) = request.headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some(name) = names.split(',').find_map(|name| name.trim().strip_prefix("x-amz-checksum-")) else {
        return Ok(None);
    };
    let unknown = || s3_error!(InvalidRequest, "The value specified in the x-amz-trailer header is not supported");
    Algorithm::parse(name).map(Some).ok_or_else(unknown)
}

fn md5_of(text: &str) -> S3Result<[u8; 16]> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    decoded.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid"))
}
