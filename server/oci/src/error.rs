//! Errors in the words of the distribution spec (*Error Codes*): status, code, and the headers that tell what next.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zot_core::name::RepositoryName;
use zot_domain::Error;
use zot_domain::call::RequestId;
use zot_gateway::{Sender, message, noted};

use super::path::Route;
use super::value;
use crate::Registry;

/// Tells old clients that this is a registry.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What an error's answer needs to know of the request.
pub(crate) struct Context {
    request_id: String,
    path: String,
    challenge: Challenge,
}

enum Challenge {
    Basic { realm: String },
    Bearer { realm: String, service: String, scope: Option<String> },
}

impl Context {
    /// For a request of the registry.
    pub(crate) fn of(registry: &Registry, request: &Request) -> Self {
        let Sender { request_id, origin, .. } = Sender::of(request.extensions());
        let challenge = Challenge::Bearer {
            realm: registry.token_endpoint.url(request.headers(), request.uri(), origin),
            service: registry.authenticator.identity().service().to_owned(),
            scope: None,
        };
        Self { request_id: request_id.to_string(), path: request.uri().path().to_owned(), challenge }
    }

    /// For a request of a token.
    pub(crate) fn basic(registry: &Registry, request_id: RequestId) -> Self {
        let challenge = Challenge::Basic { realm: registry.realm.clone() };
        Self { request_id: request_id.to_string(), path: String::new(), challenge }
    }

    /// Notes the scope that the request needs.
    pub(crate) fn need(&mut self, route: &Route, method: &Method) {
        if let Challenge::Bearer { scope, .. } = &mut self.challenge {
            *scope = route.scope(method);
        }
    }

    /// Notes that the request also reads from another repository, to mount from it.
    pub(crate) fn need_source(&mut self, query: Option<&str>) {
        let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let source = pairs.find(|(name, _)| name == "from").and_then(|(_, value)| value.parse::<RepositoryName>().ok());
        if let (Challenge::Bearer { scope: Some(scope), .. }, Some(source)) = (&mut self.challenge, source) {
            *scope = format!("{scope} repository:{source}:pull");
        }
    }
}

/// The `Range` of an upload session: what it holds. Of an empty one `0-0`, as the spec has no other form.
pub(crate) fn held(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// The answer to a failed request.
pub(crate) fn respond(error: &Error, context: &Context) -> Response {
    let (status, code) = status_and_code(error);
    let body = document(code, message(error), detail(error, context));
    let mut response = (status, [(API_VERSION, HeaderValue::from_static("registry/2.0"))], body).into_response();
    let headers = response.headers_mut();
    match error {
        Error::Unauthenticated
        | Error::CredentialsInvalid(_)
        | Error::CredentialsExpired(_)
        | Error::InsufficientScope(_) => {
            headers.insert(header::WWW_AUTHENTICATE, context.challenge.header(error));
        }
        Error::UploadOutOfOrder { offset } => {
            headers.insert(header::RANGE, value(&held(*offset)));
            headers.insert(header::LOCATION, value(&context.path));
        }
        _ => {}
    }
    noted(error, response)
}

/// Errors as the distribution spec has them.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistryErrors)]
pub(crate) struct Errors {
    errors: Vec<Listed>,
}

/// One error.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistryError)]
struct Listed {
    code: &'static str,
    message: String,
    /// Among others `requestId`.
    detail: Value,
}

/// The spec's document of one error.
pub(crate) fn document(code: &'static str, message: String, detail: Value) -> Json<Errors> {
    Json(Errors { errors: vec![Listed { code, message, detail }] })
}

/// The one place that maps the store's errors to the spec's. No wildcard: a new error has to be placed.
fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::NameInvalid(_) => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
        Error::TagInvalid(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
        Error::DigestInvalid(_) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Error::NameUnknown(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Error::ManifestUnknown(_) => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        Error::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
        Error::ManifestBlobUnknown(_) => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
        Error::BlobUnknown(_) => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
        Error::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        Error::UploadInvalid(_) => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
        Error::UploadOutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Error::BodyIncomplete => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Error::PageInvalid(_) => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
        Error::ParameterInvalid(_) | Error::CopyUnchanged => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
        Error::Unauthenticated
        | Error::CredentialsInvalid(_)
        | Error::CredentialsExpired(_)
        | Error::InsufficientScope(_) => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        Error::Denied(_) => (StatusCode::FORBIDDEN, "DENIED"),
        Error::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        // of the S3 API; here only where an object conflicts with a request
        Error::BucketNameInvalid(_) | Error::KeyInvalid(_) | Error::KeyTooLong => {
            (StatusCode::BAD_REQUEST, "NAME_INVALID")
        }
        Error::PolicyMalformed(_) => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
        Error::NoSuchBucket(_) | Error::NoSuchPolicy(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Error::NoSuchKey(_) | Error::NoSuchVersion(_) | Error::DeleteMarker { .. } => {
            (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN")
        }
        Error::NoSuchMultipart => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        Error::BucketExists(_)
        | Error::BucketNotEmpty(_)
        | Error::PolicyExists(_)
        | Error::AccountExists(_)
        | Error::InTheWay(_) => (StatusCode::CONFLICT, "DENIED"),
        Error::PartInvalid(_) | Error::PartOrderInvalid | Error::PartTooSmall(_) => {
            (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID")
        }
        Error::ChecksumInvalid(_)
        | Error::ChecksumMalformed(_)
        | Error::ChecksumMismatch(_)
        | Error::SignedHashMismatch
        | Error::Md5Mismatch => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Error::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "DENIED"),
        Error::NotModified => (StatusCode::NOT_MODIFIED, "DENIED"),
        Error::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "UNSUPPORTED"),
        Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
        Error::Unavailable { .. } | Error::Conflict => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

fn detail(error: &Error, context: &Context) -> Value {
    let mut detail = json!({"requestId": context.request_id});
    match error {
        Error::ManifestBlobUnknown(digests) => {
            detail["digests"] = digests.iter().take(100).map(zot_core::digest::Digest::as_str).collect();
        }
        Error::BlobUnknown(digest) => detail["digest"] = json!(digest.as_str()),
        _ => {}
    }
    detail
}

impl Challenge {
    /// RFC 6750 section 3 and the registry token protocol.
    fn header(&self, error: &Error) -> HeaderValue {
        match self {
            Self::Basic { realm } => value(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")),
            Self::Bearer { realm, service, scope } => {
                let mut text = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
                if let Some(scope) = scope {
                    text.push_str(",scope=\"");
                    text.push_str(scope);
                    text.push('"');
                }
                match error {
                    Error::CredentialsInvalid(_) | Error::CredentialsExpired(_) => text += ",error=\"invalid_token\"",
                    Error::InsufficientScope(_) => text += ",error=\"insufficient_scope\"",
                    _ => {}
                }
                value(&text)
            }
        }
    }
}

/// 405 with the methods that are served.
pub(crate) fn method_not_allowed(methods: &'static str, request_id: RequestId) -> Response {
    let detail = json!({"requestId": request_id.to_string()});
    let body = document("UNSUPPORTED", format!("served here: {methods}"), detail);
    let allow = [(header::ALLOW, HeaderValue::from_static(methods))];
    (StatusCode::METHOD_NOT_ALLOWED, allow, body).into_response()
}
