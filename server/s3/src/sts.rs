//! The Security Token Service: temporary credentials for whoever brings a token of a trusted issuer, and who one is. At the
//! root of the S3 API, where SDKs look for it with `AWS_ENDPOINT_URL_STS`.
//!
//! Source: AWS Security Token Service API reference, *`AssumeRoleWithWebIdentity`*, *`GetCallerIdentity`*, *Common errors*.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use s3s::S3Error;
use sha2::{Digest as _, Sha256};
use zot_core::principal::Principal;
use zot_domain::Error;
use zot_domain::observed::Authentication;
use zot_gateway::{Authenticator, Sender};
use zot_identity::Credentials;

use crate::caller::identify;
use crate::sigv4::{BodySha256, Front};

/// Largest form, in bytes: a token of a trusted issuer, and room.
const FORM_MAX: usize = 128 * 1024;
/// What is looked at where temporary credentials are asked for.
const KNOWN: [&str; 6] = ["Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds"];
/// Longest part of a parameter's name in a message.
const NAME_SHOWN_MAX: usize = 64;
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const VERSION: &str = "2011-06-15";
/// There is one account.
const ACCOUNT: &str = "000000000000";

/// An error in the words of STS.
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
            tracing::error!(%error, "temporary credentials cannot be given");
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

/// Whether a request is for this service: S3 has no form at the root.
pub(crate) fn is_meant(request: &Request<Body>, prefix: &str) -> bool {
    let path = request.uri().path().strip_prefix(prefix).unwrap_or_default();
    let form =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
        });
    request.method() == Method::POST && matches!(path, "" | "/") && form
}

/// Serves one action.
pub(crate) async fn serve(front: &Front, authenticator: &Authenticator, request: Request<Body>) -> Response<Body> {
    let sender = Sender::of(request.extensions());
    let id = sender.request_id;
    let mut observed = Observed::default();
    let answered = act(front, authenticator, request, &sender, &mut observed).await;
    let mut response = match answered {
        Ok((action, result)) => xml(
            StatusCode::OK,
            &format!(
                "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result><ResponseMetadata>\
                 <RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
            ),
        ),
        Err(Failure { status, code, message }) => {
            let fault = if status.is_server_error() { "Receiver" } else { "Sender" };
            let mut response = xml(
                status,
                &format!(
                    "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>{}</Message>\
                     </Error><RequestId>{id}</RequestId></ErrorResponse>",
                    escaped(&message)
                ),
            );
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

/// What credentials were presented, and whose they are.
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
    let bytes =
        read.map_err(|_| Failure::sender("ValidationError", "the form cannot be read, or is too long"))?.to_bytes();
    let mut form = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Failure::sender("ValidationError", "a parameter comes twice"));
        }
    }
    if form.get("Version").is_some_and(|version| version != VERSION) {
        return Err(Failure::sender("ValidationError", format!("Version must be {VERSION}")));
    }
    match form.get("Action").map(String::as_str) {
        Some("AssumeRoleWithWebIdentity") => {
            if parts.uri.query().is_some_and(|query| !query.is_empty()) {
                return Err(Failure::sender("ValidationError", "parameters are taken from the form alone"));
            }
            only_known(&form)?;
            let result = assume_role(authenticator, &form, sender, observed).await?;
            Ok(("AssumeRoleWithWebIdentity", result))
        }
        Some("GetCallerIdentity") => {
            let mut request = Request::from_parts(parts, Body::from(bytes.clone()));
            request.extensions_mut().insert(BodySha256(Sha256::digest(&bytes).into()));
            let principal = caller(front, authenticator, request, sender, observed).await?;
            let result = format!(
                "<Arn>{}</Arn><UserId>{}</UserId><Account>{ACCOUNT}</Account>",
                escaped(&arn(&principal)),
                escaped(&principal.subject)
            );
            Ok(("GetCallerIdentity", result))
        }
        Some(action) => Err(Failure::sender(
            "InvalidAction",
            format!("{action:?} is not known here; AssumeRoleWithWebIdentity and GetCallerIdentity are"),
        )),
        None => Err(Failure::sender("MissingAction", "the parameter Action is missing")),
    }
}

/// Refuses what is not known: a parameter that is not looked at may be meant to narrow what is given.
fn only_known(form: &HashMap<String, String>) -> Result<(), Failure> {
    match form.keys().filter(|name| !KNOWN.contains(&name.as_str())).min() {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(NAME_SHOWN_MAX).collect();
            let message = format!("{name:?} is not supported: a session has the rights of its role, no fewer");
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
        let message = "the request is not signed";
        return Err(Failure {
            status: StatusCode::FORBIDDEN,
            code: "MissingAuthenticationToken".into(),
            message: message.into(),
        });
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
    Ok(result_of(&credentials, &principal, &format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"), name))
}

/// The role that an ARN names; none for `role/self`, which is all that the caller has.
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

fn result_of(credentials: &Credentials, principal: &Principal, arn: &str, session: &str) -> String {
    let expiration = jiff::Timestamp::from_second(credentials.expires).map(|at| at.to_string()).unwrap_or_default();
    format!(
        "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>{}:{}\
         </AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{expiration}</Expiration></Credentials>",
        escaped(&principal.subject),
        escaped(arn),
        credentials.access_key,
        escaped(session),
        credentials.access_key,
        credentials.secret_key,
        credentials.session_token,
    )
}

/// A principal in the form that SDKs expect.
fn arn(principal: &Principal) -> String {
    let (kind, name) = principal.subject.split_once(':').unwrap_or(("user", &principal.subject));
    format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn xml(status: StatusCode, document: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
