//! Signature Version 4, verified in front of the S3 codec.
//!
//! The codec (`s3s`) only turns requests into typed operations. Authentication is decided here, over the path
//! as the client sent it, so that the API works under a prefix as well. Its headers and parameters are removed from the
//! request.
//!
//! ```text
//! request -> Front::authenticate -> Access, PayloadHash, Trailers in the extensions; a body that checks itself
//! ```
//!
//! A body may turn out wrong only at its end. Whoever stores it must not commit before the stream has ended without an
//! error, and finds the reason of an error with [`stream_error`].
//!
//! Sources: the pages under "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference.

mod body;
mod canonical;
mod chunked;
mod claim;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod keys;
mod open;
mod payload;
mod presigned;
mod query;
mod scope;
mod uri;
mod verify;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use jiff::Timestamp;

pub use body::Trailers;
pub(crate) use error::cause;
pub use error::{AuthError, stream_error};
pub use keys::{Keys, Secret};

use canonical::{single, single_text};
use chunked::Chain;
use claim::Claim;
use header::Scheme;
use payload::{CONTENT_SHA256, Payload};
use query::Query;

/// Who sent a request. It is in the extensions of each verified request.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// The request has no credentials.
    Anonymous,
    /// Signed with an access key.
    Signed {
        /// The access key's id.
        access_key: String,
        /// The token that came with temporary credentials.
        session_token: Option<String>,
        /// Whether the URL is signed. Whoever has the URL can use it.
        presigned: bool,
    },
    /// The `Authorization` header has another scheme. It stays in the request.
    Other,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Other => f.write_str("Other"),
            Self::Signed { access_key, session_token, presigned } => {
                let token = session_token.as_ref().map(|_| "..");
                write!(f, "Signed {{ {access_key:?}, token: {token:?}, presigned: {presigned} }}")
            }
        }
    }
}

/// The access key and session token that a request names, before verification.
#[derive(Debug, Default)]
pub struct Claimed {
    pub access_key: Option<String>,
    pub session_token: Option<String>,
}

impl Claimed {
    /// Reads header and query. Malformed credentials are left to the front, which refuses them.
    pub fn of(request: &Request<Body>) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let query = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
            pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
        };
        let credential = match header("authorization") {
            Some(value) => value.split_once("Credential=").map(|(_, rest)| rest.to_owned()),
            None => query("x-amz-credential"),
        };
        let access_key = credential.and_then(|text| text.split('/').next().map(ToOwned::to_owned));
        let session_token =
            header("x-amz-security-token").map(ToOwned::to_owned).or_else(|| query("x-amz-security-token"));
        Self { access_key: access_key.filter(|key| key.len() <= 256), session_token }
    }
}

/// What is known of the body. It is in the extensions of each verified request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// The signature does not cover it.
    Unsigned,
    /// It must have this SHA-256. **Whoever hashes the body has to compare**; only large uploads of objects and parts
    /// come with this.
    Sha256([u8; 32]),
    /// It is verified while it is read.
    Streaming,
}

/// SHA-256 of a body that was read before: the STS API puts it into the extensions, since STS clients sign the
/// digest without sending it.
#[derive(Debug, Clone, Copy)]
pub struct BodySha256(pub [u8; 32]);

/// Limits of what is accepted.
#[derive(Debug, Clone)]
pub struct Config {
    /// The only region clients may name; any if there is none.
    pub region: Option<String>,
    /// Seconds that a client's clock may be wrong.
    pub max_skew: i64,
    /// Seconds that a presigned URL may last.
    pub max_presign: i64,
    /// Whether requests may be signed for the service `sts` as well.
    pub allow_sts: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { region: None, max_skew: 15 * 60, max_presign: 7 * 24 * 60 * 60, allow_sts: false }
    }
}

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct Front {
    keys: Arc<dyn Keys>,
    cache: keys::Cache,
    /// Used in place of an unknown key's secret, so that a refusal takes the same time.
    decoy: Secret,
    config: Config,
    clock: Clock,
}

impl Front {
    /// A front over these keys.
    pub fn new(keys: Arc<dyn Keys>, config: Config) -> Self {
        let cache = keys::Cache::default();
        Self { keys, cache, decoy: Secret::new("decoy"), config, clock: Arc::new(zot_core::ambient::now) }
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies a request. Its extensions then say who sent it.
    pub fn authenticate(&self, request: Request<Body>) -> Result<Request<Body>, AuthError> {
        let (mut parts, body) = request.into_parts();
        refuse_form(&parts)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let Some(claim) = self.claim(&parts, &query)? else {
            let other = parts.headers.contains_key(AUTHORIZATION);
            parts.extensions.insert(if other { Access::Other } else { Access::Anonymous });
            let payload = unsigned_payload(&parts.headers)?;
            return open::open(parts, body, payload, None);
        };
        let verified = verify::verify(self, &parts, &query, &claim)?;
        let Claim { access_key, scope, stamp, token: session_token, presigned, payload, .. } = claim;
        open::strip(&mut parts, presigned)?;
        parts.extensions.insert(Access::Signed { access_key, session_token, presigned });
        let chain = Chain::new(verified.key, &stamp.text, &scope.text(), verified.seed);
        open::open(parts, body, payload, Some(chain))
    }

    /// The claim of a signed request; none: it is not signed.
    fn claim(&self, parts: &Parts, query: &Query) -> Result<Option<Claim>, AuthError> {
        let authorization = authorization(&parts.headers)?;
        let in_query = query.is_presigned() || query.is_version_2();
        if authorization.is_some() && in_query {
            let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                           string parameter or the Authorization header should be specified";
            return Err(AuthError::InvalidArgument(message.into()));
        }
        if query.is_version_2() {
            return Err(header::version_2());
        }
        let now = (self.clock)();
        if query.is_presigned() {
            let (claim, lasts) = presigned::claim(&parts.headers, query, &self.config)?;
            claim.check_scope(&self.config)?;
            presigned::check_time(&claim.stamp, lasts, now, &self.config)?;
            return Ok(Some(claim));
        }
        let Some(Scheme::Version4(parameters)) = authorization else { return Ok(None) };
        let claim = header::claim(parts, parameters)?;
        claim.check_scope(&self.config)?;
        if claim.stamp.age(now).abs() > self.config.max_skew {
            return Err(AuthError::RequestTimeTooSkewed);
        }
        Ok(Some(claim))
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<Scheme<'_>>, AuthError> {
    single_text(headers, AUTHORIZATION.as_str())?.map(Scheme::of).transpose()
}

/// A form carries its own credentials ("POST Object"), which the codec would believe.
fn refuse_form(parts: &Parts) -> Result<(), AuthError> {
    const FORM: &[u8] = b"multipart/form-data";
    let is_form = |value: &http::HeaderValue| {
        value.as_bytes().trim_ascii_start().get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
    };
    if parts.method == Method::POST && parts.headers.get_all(CONTENT_TYPE).iter().any(is_form) {
        return Err(AuthError::NotImplemented("Uploads by HTML form (POST Object) are not implemented.".into()));
    }
    Ok(())
}

/// The body of an unsigned request. For those botocore sends chunks without saying so in `x-amz-content-sha256`.
fn unsigned_payload(headers: &HeaderMap) -> Result<Payload, AuthError> {
    let payload = match single(headers, CONTENT_SHA256)? {
        Some(value) => Payload::parse(&String::from_utf8_lossy(value.trim_ascii()))?,
        None if open::is_chunked(headers) => Payload::UnsignedTrailer,
        None => Payload::Unsigned,
    };
    match payload {
        Payload::Signed { .. } => Err(AuthError::InvalidRequest("A signed body needs a signed request.".into())),
        payload => Ok(payload),
    }
}
