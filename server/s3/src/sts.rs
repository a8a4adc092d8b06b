//! The Security Token Service: it exchanges a trusted issuer's token for temporary credentials, and tells callers who they
//! are. It is at the root of the S3 API, where SDKs look for it with `AWS_ENDPOINT_URL_STS`.
//!
//! Source: AWS Security Token Service API reference, *`AssumeRoleWithWebIdentity`*, *`GetCallerIdentity`*, *Common errors*.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use s3s::S3Error;
use s3s::dto::{AssumedRoleUser, Credentials};
use s3s::xml::{SerResult, Serializer};
use sha2::{Digest as _, Sha256};
use zot_core::principal::Principal;
use zot_domain::Error;
use zot_domain::observed::Authentication;
use zot_gateway::{Authenticator, Sender};

use crate::caller::identify;
use crate::sigv4::{BodySha256, Front};

/// Largest form, in bytes. Most of it is the trusted issuer's token.
const FORM_MAX: usize = 128 * 1024;
/// Parameters of `AssumeRoleWithWebIdentity`.
const KNOWN: [&str; 6] = ["Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds"];
/// Characters of a parameter's name that an error shows.
const NAME_SHOWN_MAX: usize = 64;
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const VERSION: &str = "2011-06-15";
/// There is one account.
const ACCOUNT: &str = "000000000000";

/// An error with its STS code.
struct Failure {
    status: StatusCode,
    code: String,
    message: String,
}

impl Failure {
    fn sender(code: &str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.to_owned(), message: message.into() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    fn of(error: Error) -> Self {
        let (status, code) = match &error {
            Error::CredentialsExpired(_) => (StatusCode::BAD_REQUEST, "ExpiredTokenException"),
            Error::CredentialsInvalid(_) => (StatusCode::BAD_REQUEST, "InvalidIdentityToken"),
            Error::Denied(_) | Error::Unauthenticated => (StatusCode::FORBIDDEN, "AccessDenied"),
            Error::ParameterInvalid(_) => (StatusCode::BAD_REQUEST, "ValidationError"),
            Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "Throttling"),
            Error::Unavailable { component: "identity_provider", .. } => {
                (StatusCode::BAD_REQUEST, "IDPCommunicationError")
            }
            Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Error::Invalid(_)
            | Error::TooLarge { .. }
            | Error::BodyIncomplete
            | Error::BodyMismatch(_)
            | Error::NotFound(_)
            | Error::InsufficientScope(_)
            | Error::NotImplemented(_)
            | Error::Unsupported(_)
            | Error::Conflict
            | Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        };
        if status.is_server_error() {
            tracing::error!(%error, "cannot issue temporary credentials");
        }
        let message =
            if status == StatusCode::INTERNAL_SERVER_ERROR { "internal error".to_owned() } else { error.to_string() };
        Self { status, code: code.to_owned(), message }
    }

    fn of_s3(error: &S3Error) -> Self {
        Self {
            status: error.status_code().unwrap_or(StatusCode::FORBIDDEN),
            code: error.code().as_str().to_owned(),
            message: error.message().unwrap_or_default().to_owned(),
        }
    }
}

/// Whether a request is for STS: S3 has no form at the root.
pub(crate) fn is_meant(request: &Request<Body>, prefix: &str) -> bool {
    let path = request.uri().path().strip_prefix(prefix).unwrap_or_default();
    let form =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
        });
    request.method() == Method::POST && matches!(path, "" | "/") && form
}

pub(crate) async fn serve(front: &Front, authenticator: &Authenticator, request: Request<Body>) -> Response<Body> {
    let sender = Sender::of(request.extensions());
    let id = sender.request_id.to_string();
    let mut observed = Observed::default();
    let mut response = match act(front, authenticator, request, &sender, &mut observed).await {
        Ok((action, result)) => respond(StatusCode::OK, &format!("{action}Response"), |xml| {
            xml.element(&format!("{action}Result"), |xml| xml.write_raw_text(&result))?;
            xml.element("ResponseMetadata", |xml| xml.content("RequestId", &id))
        }),
        Err(Failure { status, code, message }) => {
            let mut response = respond(status, "ErrorResponse", |xml| {
                xml.element("Error", |xml| {
                    xml.content("Type", if status.is_server_error() { "Receiver" } else { "Sender" })?;
                    xml.content("Code", &code)?;
                    xml.content("Message", &message)
                })?;
                xml.content("RequestId", &id)
            });
            if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            response
        }
    };
    if let Some(authentication) = observed.authentication {
        response.extensions_mut().insert::<Authentication>(authentication);
    }
    if let Some(principal) = observed.principal {
        response.extensions_mut().insert::<Principal>(principal);
    }
    response
}

/// The credentials that a request presents, and their principal.
#[derive(Default)]
struct Observed {
    authentication: Option<Authentication>,
    principal: Option<Principal>,
}

async fn act(
    front: &Front,
    authenticator: &Authenticator,
    request: Request<Body>,
    sender: &Sender,
    observed: &mut Observed,
) -> Result<(&'static str, String), Failure> {
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, FORM_MAX).collect().await;
    let bytes = read.map_err(|_| Failure::sender("ValidationError", "the form is unreadable or too long"))?.to_bytes();
    let mut form = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Failure::sender("ValidationError", "a parameter is given twice"));
        }
    }
    if form.get("Version").is_some_and(|version| version != VERSION) {
        return Err(Failure::sender("ValidationError", format!("Version must be {VERSION}")));
    }
    match form.get("Action").map(String::as_str) {
        Some("AssumeRoleWithWebIdentity") => {
            if parts.uri.query().is_some_and(|query| !query.is_empty()) {
                return Err(Failure::sender("ValidationError", "parameters must be in the form, not in the query"));
            }
            only_known(&form)?;
            let result = assume_role(authenticator, &form, sender, observed).await?;
            Ok(("AssumeRoleWithWebIdentity", result))
        }
        Some("GetCallerIdentity") => {
            let mut request = Request::from_parts(parts, Body::from(bytes.clone()));
            request.extensions_mut().insert(BodySha256(Sha256::digest(&bytes).into()));
            let principal = caller(front, authenticator, request, sender, observed).await?;
            let result = written(|xml| {
                xml.content("Arn", &arn(&principal))?;
                xml.content("UserId", &principal.subject)?;
                xml.content("Account", ACCOUNT)
            });
            Ok(("GetCallerIdentity", result))
        }
        Some(action) => Err(Failure::sender(
            "InvalidAction",
            format!("unknown action {action:?}: use AssumeRoleWithWebIdentity or GetCallerIdentity"),
        )),
        None => Err(Failure::sender("MissingAction", "the parameter Action is missing")),
    }
}

/// Refuses unknown parameters: one that is ignored may be meant to narrow the session's rights.
fn only_known(form: &HashMap<String, String>) -> Result<(), Failure> {
    match form.keys().filter(|name| !KNOWN.contains(&name.as_str())).min() {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(NAME_SHOWN_MAX).collect();
            let message = format!("{name:?} is not supported: a session always has all rights of its role");
            Err(Failure::sender("ValidationError", message))
        }
    }
}

async fn caller(
    front: &Front,
    authenticator: &Authenticator,
    request: Request<Body>,
    sender: &Sender,
    observed: &mut Observed,
) -> Result<Principal, Failure> {
    let (authentication, identified) = identify(front, authenticator, request, sender).await;
    observed.authentication = authentication;
    let (_, _, principal) = identified.map_err(|error| Failure::of_s3(&error))?;
    let principal = principal.map_err(Failure::of)?;
    if principal.is_anonymous() {
        let failure = Failure::sender("MissingAuthenticationToken", "the request is not signed");
        return Err(Failure { status: StatusCode::FORBIDDEN, ..failure });
    }
    observed.principal = Some(principal.clone());
    Ok(principal)
}

async fn assume_role(
    authenticator: &Authenticator,
    form: &HashMap<String, String>,
    sender: &Sender,
    observed: &mut Observed,
) -> Result<String, Failure> {
    let required = |name: &str| {
        let value = form.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::sender("ValidationError", format!("the parameter {name} is missing")))
    };
    let (role, name, token) = (required("RoleArn")?, required("RoleSessionName")?, required("WebIdentityToken")?);
    let role = role_of(role)?;
    if name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b)) {
        return Err(Failure::sender("ValidationError", "RoleSessionName: up to 64 letters, digits and +=,.@-_"));
    }
    let lifetime = form.get("DurationSeconds").map(|text| text.parse::<i64>());
    let lifetime =
        lifetime.transpose().map_err(|_| Failure::sender("ValidationError", "DurationSeconds: expected a number"))?;
    let session = authenticator.identity().session(token, role, lifetime, sender.address()).await;
    let outcome = session.as_ref().map(|(_, principal)| principal);
    observed.authentication = authenticator.outcome(sender, "web_identity", outcome);
    observed.principal = outcome.ok().cloned();
    let (credentials, principal) = session.map_err(Failure::of)?;
    let role = role.unwrap_or("self");
    let expires = UNIX_EPOCH + Duration::from_secs(u64::try_from(credentials.expires).unwrap_or_default());
    let assumed = AssumedRoleUser {
        arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"),
        assumed_role_id: format!("{}:{name}", credentials.access_key),
    };
    let credentials = Credentials {
        access_key_id: credentials.access_key,
        secret_access_key: credentials.secret_key,
        session_token: credentials.session_token,
        expiration: expires.into(),
    };
    Ok(written(|xml| {
        xml.content("SubjectFromWebIdentityToken", &principal.subject)?;
        xml.content("AssumedRoleUser", &assumed)?;
        xml.content("Credentials", &credentials)
    }))
}

/// The role that an ARN names. `role/self` stands for all of the caller's rights, and gives none here.
fn role_of(arn: &str) -> Result<Option<&str>, Failure> {
    let path =
        arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":iam::")).and_then(|(_, rest)| rest.split_once(':'));
    match path.and_then(|(_, path)| path.strip_prefix("role/")) {
        Some("self") => Ok(None),
        Some(role) if !role.is_empty() => Ok(Some(role)),
        _ => Err(Failure::sender(
            "ValidationError",
            format!(
                "RoleArn {arn:?}: expected arn:aws:iam::{ACCOUNT}:role/self for all of your rights, or role/NAME for one role"
            ),
        )),
    }
}

/// The principal's ARN, in the form that SDKs expect.
fn arn(principal: &Principal) -> String {
    let (kind, name) = principal.subject.split_once(':').unwrap_or(("user", &principal.subject));
    format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")
}

type Xml<'a> = Serializer<&'a mut Vec<u8>>;

fn written(content: impl FnOnce(&mut Xml<'_>) -> SerResult) -> String {
    let mut text = Vec::new();
    if let Err(error) = content(&mut Serializer::new(&mut text)) {
        tracing::error!(%error, "cannot write the response of STS");
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn respond(status: StatusCode, root: &str, content: impl FnOnce(&mut Xml<'_>) -> SerResult) -> Response<Body> {
    let document = written(|xml| xml.decl().and_then(|()| xml.element_with_ns(root, NAMESPACE, content)));
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
