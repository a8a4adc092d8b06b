//! Errors of the distribution spec (*Error Codes*): status, code, and headers such as `WWW-Authenticate`.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zot_core::Invalid;
use zot_core::name::RepositoryName;
use zot_domain::call::RequestId;
use zot_domain::{ArtifactError, Error};
use zot_gateway::{Sender, message, noted};

use super::path::Route;
use super::value;
use crate::Registry;

/// Old clients recognize a registry by this header.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The parts of a request that the response to an error needs.
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
    /// Of a request to the registry.
    pub(crate) fn of(registry: &Registry, request: &Request) -> Self {
        let Sender { request_id, origin, .. } = Sender::of(request.extensions());
        let challenge = Challenge::Bearer {
            realm: registry.token_endpoint.url(request.headers(), request.uri(), origin),
            service: registry.authenticator.identity().service().to_owned(),
            scope: None,
        };
        Self { request_id: request_id.to_string(), path: request.uri().path().to_owned(), challenge }
    }

    /// Of a request for a token.
    pub(crate) fn basic(registry: &Registry, request_id: RequestId) -> Self {
        let challenge = Challenge::Basic { realm: registry.realm.clone() };
        Self { request_id: request_id.to_string(), path: String::new(), challenge }
    }

    /// Records the scope that the request needs.
    pub(crate) fn need(&mut self, route: &Route, method: &Method) {
        if let Challenge::Bearer { scope, .. } = &mut self.challenge {
            *scope = route.scope(method);
        }
    }

    /// Records that the request also reads another repository, to mount a blob from it.
    pub(crate) fn need_source(&mut self, query: Option<&str>) {
        let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let source = pairs.find(|(name, _)| name == "from").and_then(|(_, value)| value.parse::<RepositoryName>().ok());
        if let (Challenge::Bearer { scope: Some(scope), .. }, Some(source)) = (&mut self.challenge, source) {
            *scope = format!("{scope} repository:{source}:pull");
        }
    }
}

/// The `Range` of an upload session: the bytes that it has. An empty session has `0-0`, since the spec has no other form.
pub(crate) fn range_of(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// The answer to a failed request.
pub(crate) fn respond(error: &ArtifactError, context: &Context) -> Response {
    let (status, code) = status_and_code(error);
    let body = document(code, message(error), detail(error, context));
    let mut response = (status, [(API_VERSION, HeaderValue::from_static("registry/2.0"))], body).into_response();
    let headers = response.headers_mut();
    match error {
        ArtifactError::Common(
            error @ (Error::Unauthenticated
            | Error::CredentialsInvalid(_)
            | Error::CredentialsExpired(_)
            | Error::InsufficientScope(_)),
        ) => {
            headers.insert(header::WWW_AUTHENTICATE, context.challenge.header(error));
        }
        ArtifactError::UploadOutOfOrder { offset } => {
            headers.insert(header::RANGE, value(&range_of(*offset)));
            headers.insert(header::LOCATION, value(&context.path));
        }
        _ => {}
    }
    noted(error, response)
}

/// The error document of the distribution spec.
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
    /// More fields, such as `requestId`.
    detail: Value,
}

/// The spec's document for one error.
pub(crate) fn document(code: &'static str, message: String, detail: Value) -> Json<Errors> {
    Json(Errors { errors: vec![Listed { code, message, detail }] })
}

/// The only place that maps errors to the spec's codes. It has no wildcard, so a new error needs a code here.
fn status_and_code(error: &ArtifactError) -> (StatusCode, &'static str) {
    match error {
        ArtifactError::Common(error) => common_status_and_code(error),
        ArtifactError::NameUnknown(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        ArtifactError::ManifestUnknown(_) => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        ArtifactError::ManifestBlobUnknown(_) => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
        ArtifactError::BlobUnknown(_) => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
        ArtifactError::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        ArtifactError::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        ArtifactError::UploadInvalid(_) => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
        ArtifactError::UploadOutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
        ArtifactError::PageInvalid(_) => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
    }
}

fn common_status_and_code(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Invalid(invalid) => (StatusCode::BAD_REQUEST, invalid_code(invalid)),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Error::BodyIncomplete => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
        Error::BodyMismatch(_) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Error::ParameterInvalid(_) => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
        Error::Unauthenticated
        | Error::CredentialsInvalid(_)
        | Error::CredentialsExpired(_)
        | Error::InsufficientScope(_) => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        Error::Denied(_) => (StatusCode::FORBIDDEN, "DENIED"),
        Error::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        Error::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "UNSUPPORTED"),
        Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
        Error::Unavailable { .. } | Error::Conflict => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

fn invalid_code(invalid: &Invalid) -> &'static str {
    match invalid {
        Invalid::Repository(_) | Invalid::Bucket(_) | Invalid::Key(_) | Invalid::KeyTooLong => "NAME_INVALID",
        Invalid::Tag(_) | Invalid::Manifest(_) => "MANIFEST_INVALID",
        Invalid::Digest(_) | Invalid::Checksum(_) => "DIGEST_INVALID",
        Invalid::Parameter(_) | Invalid::Policy(_) => "UNSUPPORTED",
        Invalid::HashState => "BLOB_UPLOAD_INVALID",
    }
}

fn detail(error: &ArtifactError, context: &Context) -> Value {
    let mut detail = json!({"requestId": context.request_id});
    match error {
        ArtifactError::ManifestBlobUnknown(digests) => {
            detail["digests"] = digests.iter().take(100).map(zot_core::digest::Digest::as_str).collect();
        }
        ArtifactError::BlobUnknown(digest) => detail["digest"] = json!(digest.as_str()),
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

/// 405, with the supported methods.
pub(crate) fn method_not_allowed(methods: &'static str, request_id: RequestId) -> Response {
    let detail = json!({"requestId": request_id.to_string()});
    let body = document("UNSUPPORTED", format!("supported methods: {methods}"), detail);
    let allow = [(header::ALLOW, HeaderValue::from_static(methods))];
    (StatusCode::METHOD_NOT_ALLOWED, allow, body).into_response()
}
