//! The way of a request: front, identity, codec.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Error, S3ErrorCode};
use zot_domain::identity::RequestId;
use zot_domain::transfer::{Direction, Transfer};
use zot_domain::{Buckets, Call, Principal, Result};

use crate::body::{limited, watched};
use crate::error::{custom, to_s3};
use crate::json;
use crate::ops::Ops;
use crate::request::{self, Domain};
use crate::sigv4::{Access, AuthError, Config, Front, Keys};

/// Who is behind an access that the front let pass. Headers are there for schemes that are not S3's.
pub type Identify = Arc<dyn Fn(&Access, &HeaderMap) -> Result<Principal> + Send + Sync>;

/// What the configuration says about the door.
#[derive(Clone, Debug)]
pub struct Options {
    /// Largest body of one request, in bytes.
    pub max_upload: u64,
    /// Whether objects can be uploaded in parts.
    pub multipart: bool,
    /// Whether presigned URLs are accepted.
    pub presigned: bool,
    /// Domain of virtual-host addresses.
    pub domain: Option<String>,
}

/// Largest XML or JSON document of a client, in bytes: 1,000 keys of 1,024 bytes, and room.
const DOCUMENT_MAX: u64 = 2 * 1024 * 1024;

/// The S3 door. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    options: Options,
    front: Arc<Front>,
    identify: Identify,
    buckets: Buckets,
    codec: S3Service,
}

/// Names are checked where buckets are made; what cannot exist is not found.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

impl Door {
    /// A door over these use cases and keys.
    pub fn new(buckets: Buckets, keys: Arc<dyn Keys>, identify: Identify, options: Options) -> Self {
        let mut builder = S3ServiceBuilder::new(Ops::new(buckets.clone(), options.multipart));
        builder.set_validation(AnyName);
        if let Some(domain) = options.domain.clone() {
            builder.set_host(Domain(domain));
        }
        let front = Arc::new(Front::new(keys, Config::default()));
        Self { options, front, identify, buckets, codec: builder.build() }
    }

    /// Serves a request whose path begins with `prefix`, which may be empty.
    pub async fn serve(&self, request: Request<Body>, prefix: &str) -> Response<Body> {
        let request_id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
        let transfer = Attempt::of(&request, prefix);
        let as_json = json::is_wanted(request.headers()).then(|| request.method().clone());
        let (mut response, principal) = match self.admit(request, request_id) {
            Ok(request) => {
                let principal = request.extensions().get::<Call>().map(|call| call.principal.clone());
                let (request, spoiled) = watched(request);
                let request = cut(request, prefix);
                let response = match (request::check(&request), &as_json) {
                    (Err(error), _) => answer(error),
                    (Ok(()), Some(_)) => self.operate_in_json(request).await,
                    (Ok(()), None) => self.operate(request).await,
                };
                // a body that turned out not to be the one that was signed: its own code, whatever the codec made of it
                (spoiled.take().map_or(response, |error| answer(refused(&error))), principal)
            }
            Err(error) => (answer(error), None),
        };
        if let Some(method) = &as_json {
            response = json::translated(response, method).await;
        }
        if let Some(transfer) = transfer.and_then(|attempt| attempt.outcome(&response)) {
            response.extensions_mut().insert(transfer);
        }
        // for the log
        if let Some(principal) = principal {
            response.extensions_mut().insert(principal);
        }
        if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert("x-amz-request-id", value);
        }
        response
    }

    /// Lets a request in, with the call that it makes.
    fn admit(&self, request: Request<Body>, request_id: RequestId) -> std::result::Result<Request<Body>, S3Error> {
        let mut request = self.front.authenticate(request).map_err(|error| refused(&error))?;
        let access = request.extensions().get::<Access>().cloned().unwrap_or(Access::Anonymous);
        if !self.options.presigned && matches!(access, Access::Signed { presigned: true, .. }) {
            return Err(s3s::s3_error!(
                AccessDenied,
                "presigned URLs are switched off (extensions.s3api.enablePresignedURL)"
            ));
        }
        self.limit(&mut request)?;
        let principal = (self.identify)(&access, request.headers()).map_err(to_s3)?;
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if writes && principal.is_anonymous() && !self.buckets.may_write(&principal) {
            return Err(to_s3(zot_domain::Error::Unauthenticated));
        }
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(Call { principal, request_id });
        Ok(request)
    }

    /// Bodies beyond the limit are refused at once, and cut off where their length was not announced.
    fn limit(&self, request: &mut Request<Body>) -> std::result::Result<(), S3Error> {
        let most = if request::is_document(request) { DOCUMENT_MAX } else { self.options.max_upload };
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > most) {
            return Err(to_s3(zot_domain::Error::TooLarge { limit: most }));
        }
        if announced.is_none() {
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = limited(body, most);
        }
        Ok(())
    }

    async fn operate_in_json(&self, request: Request<Body>) -> Response<Body> {
        let begins = json::begins_upload(&request);
        match json::serve(&self.buckets, request).await {
            Ok(Ok(document)) => json::answer(&document),
            Ok(Err(error)) => answer(to_s3(error)),
            Err(request) if begins => json::begun(self.operate(request).await).await,
            Err(request) => self.operate(request).await,
        }
    }

    async fn operate(&self, request: Request<Body>) -> Response<Body> {
        let request = request.map(s3s::Body::http_body_unsync);
        match self.codec.call(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(?error, "the S3 codec failed");
                answer(S3Error::new(S3ErrorCode::InternalError))
            }
        }
    }
}

/// A request that is to transfer content.
struct Attempt {
    direction: Direction,
    bucket: String,
    announced: u64,
}

impl Attempt {
    /// An object is named, and no subresource but a part of an upload.
    fn of(request: &Request<Body>, prefix: &str) -> Option<Self> {
        let path = request.uri().path().strip_prefix(prefix)?.trim_start_matches('/');
        let (bucket, key) = path.split_once('/')?;
        let query = request.uri().query().unwrap_or_default();
        let subresource = query.split('&').any(|pair| {
            ["tagging", "acl", "uploads", "attributes", "retention", "legal-hold"].contains(&pair.trim_end_matches('='))
        });
        let direction = match *request.method() {
            _ if key.is_empty() || subresource => return None,
            Method::PUT => Direction::Upload,
            Method::GET if !query.contains("uploadId=") => Direction::Download,
            Method::DELETE if !query.contains("uploadId=") => Direction::Delete,
            _ => return None,
        };
        let header = |name: &str| request.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        let announced = header("x-amz-decoded-content-length").or_else(|| header("content-length")).unwrap_or_default();
        Some(Self { direction, bucket: bucket.to_owned(), announced })
    }

    /// What came of it; none where there was nothing to transfer, or nobody who may.
    fn outcome(self, response: &Response<Body>) -> Option<Transfer> {
        let status = response.status();
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let bytes = match self.direction {
            _ if matches!(status.as_u16(), 304 | 401 | 403 | 404) => return None,
            _ if !status.is_success() => None,
            Direction::Upload => Some(self.announced),
            Direction::Download => Some(length.unwrap_or_default()),
            Direction::Delete => Some(0),
        };
        Some(Transfer { direction: self.direction, bucket: self.bucket, bytes })
    }
}

/// The request as the codec wants it: at the root.
fn cut(mut request: Request<Body>, prefix: &str) -> Request<Body> {
    // over HTTP/2 the host is in the URI alone, and the codec looks for it in the header
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let uri = request.uri();
    let path = uri.path().strip_prefix(prefix).unwrap_or(uri.path());
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{slash}{path}{query}").parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

fn refused(error: &AuthError) -> S3Error {
    custom(error.code(), error.status(), error.message())
}

fn answer(error: S3Error) -> Response<Body> {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
