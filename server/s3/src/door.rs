//! The way of a request: front, identity, codec.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Error, S3ErrorCode};
use zot_core::principal::Principal;
use zot_domain::call::{Agent, Origin, RequestId};
use zot_domain::observed::{Authentication, Fault};
use zot_domain::{Buckets, Call};
use zot_identity::{Identity, Presented};

use crate::body::{limited, watched};
use crate::error::{custom, to_s3};
use crate::json;
use crate::ops::Ops;
use crate::request;
use crate::sigv4::{Access, AuthError, Claimed, Config, Front, Keys, Secret};
use crate::sts;
use crate::transfer::Attempt;

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
    identity: Arc<Identity>,
    buckets: Buckets,
    codec: S3Service,
}

/// What is known of who sent a request, before its credentials are.
struct Sender {
    request_id: RequestId,
    origin: Origin,
    agent: Agent,
}

impl Sender {
    fn of(request: &Request<Body>, request_id: RequestId) -> Self {
        let origin = request.extensions().get::<Origin>().copied().unwrap_or_default();
        let agent = request.extensions().get::<Agent>().cloned().unwrap_or_default();
        Self { request_id, origin, agent }
    }
}

/// The access keys, as the front asks for them.
struct SigningKeys(Arc<Identity>);

impl Keys for SigningKeys {
    fn lookup(&self, access_key: &str, session_token: Option<&str>) -> Option<Secret> {
        self.0.signing_secret(access_key, session_token).map(Secret::new)
    }
}

/// Names are checked where buckets are made; what cannot exist is not found.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

impl Door {
    /// A door over these use cases and identities.
    pub fn new(buckets: Buckets, identity: Arc<Identity>, options: Options) -> Self {
        let mut builder = S3ServiceBuilder::new(Ops::new(buckets.clone(), options.multipart));
        builder.set_validation(AnyName);
        if options.domain.is_some() {
            builder.set_host(request::InPath);
        }
        let keys = Arc::new(SigningKeys(Arc::clone(&identity)));
        let front = Arc::new(Front::new(keys, Config { allow_sts: true, ..Config::default() }));
        Self { options, front, identity, buckets, codec: builder.build() }
    }

    /// Serves a request whose path begins with `prefix`, which may be empty.
    pub async fn serve(&self, request: Request<Body>, prefix: &str) -> Response<Body> {
        let request_id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
        if sts::is_meant(&request, prefix) {
            let sender = Sender::of(&request, request_id);
            let (response, refused) = sts::serve(&self.front, &self.identity, request).await;
            if let Some(sts::Refused { method, why }) = refused {
                self.note_refused(&sender, method, &why);
            }
            return response;
        }
        let transfer = Attempt::of(&request, prefix, self.options.domain.as_deref());
        let as_json = json::is_wanted(request.headers()).then(|| request.method().clone());
        let (authentication, admitted) = self.admit(request, request_id).await;
        let principal = admitted.as_ref().ok().and_then(|request| request.extensions().get::<Call>());
        let principal = principal.map(|call| call.principal.clone());
        let mut response = match admitted {
            Ok(request) => self.dispatch(request, prefix, as_json.is_some()).await,
            Err(error) => answer(error),
        };
        if let Some(method) = &as_json {
            response = json::translated(response, method).await;
        }
        let transfer = transfer.and_then(|attempt| attempt.outcome(&response));
        let fault = fault(response.status());
        note(&mut response, principal);
        note(&mut response, authentication);
        note(&mut response, transfer);
        note(&mut response, fault);
        if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert("x-amz-request-id", value);
        }
        response
    }
    /// How a request will be refused for a reason that lies outside the door.
    pub fn refusal(
        &self,
        request: &Request<Body>,
    ) -> impl FnOnce(zot_domain::Error) -> Response<Body> + Send + 'static {
        let as_json = json::is_wanted(request.headers()).then(|| request.method().clone());
        move |error| {
            let fault = Fault::of(&error);
            let error = to_s3(error);
            let status = error.status_code().unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = match as_json {
                Some(method) => json::error(&error, status, &method),
                None => answer(error),
            };
            note(&mut response, fault);
            response
        }
    }

    async fn dispatch(&self, request: Request<Body>, prefix: &str, as_json: bool) -> Response<Body> {
        let (request, spoiled) = watched(request);
        let request = cut(request, prefix, self.options.domain.as_deref());
        let response = match request::check(&request) {
            Err(error) => answer(error),
            Ok(()) if as_json => self.operate_in_json(request).await,
            Ok(()) => self.operate(request).await,
        };
        // a body that turned out not to be the one that was signed: its own code, whatever the codec made of it
        spoiled.take().map_or(response, |error| answer(refused(&error)))
    }

    /// Lets a request in, with the call that it makes; and says what credentials it presented.
    async fn admit(
        &self,
        request: Request<Body>,
        request_id: RequestId,
    ) -> (Option<Authentication>, std::result::Result<Request<Body>, S3Error>) {
        let sender = Sender::of(&request, request_id);
        let origin = sender.origin;
        let claimed = Claimed::of(&request);
        let presented = identify(&self.front, &self.identity, request, &claimed, origin).await;
        let (request, access, Presented { method, principal }) = match presented {
            Ok(found) => found,
            Err(Refusal { presented, error }) => {
                let authentication = presented.then_some(Authentication { method: "signature", success: false });
                if presented {
                    self.note_refused(&sender, "signature", error.message().unwrap_or_default());
                }
                return (authentication, Err(error));
            }
        };
        let authentication = method.map(|method| Authentication { method, success: principal.is_ok() });
        match (method, &principal) {
            // nobody could tell whether they are right, or has looked
            (_, Err(zot_domain::Error::Unavailable { .. } | zot_domain::Error::TooManyRequests(_))) => {}
            (Some(method), Err(why)) => self.note_refused(&sender, method, &why.to_string()),
            _ => {}
        }
        let agent = sender.agent;
        let call = principal.map(|principal| Call { principal, request_id, origin, agent }).map_err(to_s3);
        (authentication, call.and_then(|call| self.let_in(request, &access, call)))
    }

    /// Credentials were not taken: for the audit trail.
    fn note_refused(&self, sender: &Sender, method: &str, why: &str) {
        let of = (sender.request_id, sender.origin, &sender.agent);
        self.buckets.authorizer().decision_log().note_refused_credentials(of, method, why);
    }

    fn let_in(
        &self,
        mut request: Request<Body>,
        access: &Access,
        call: Call,
    ) -> std::result::Result<Request<Body>, S3Error> {
        if !self.options.presigned && matches!(access, Access::Signed { presigned: true, .. }) {
            return Err(s3s::s3_error!(
                AccessDenied,
                "presigned URLs are switched off (extensions.s3api.enablePresignedURL)"
            ));
        }
        self.limit(&mut request)?;
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if writes && call.principal.is_anonymous() {
            self.buckets.require_some_write(&call).map_err(to_s3)?;
        }
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(call);
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

/// A request that the front did not let pass.
pub(crate) struct Refusal {
    /// Whether it presented credentials; what is merely malformed does not.
    pub presented: bool,
    pub error: S3Error,
}

/// Who sent a request, by its signature or by another scheme that it uses.
pub(crate) async fn identify(
    front: &Front,
    identity: &Identity,
    request: Request<Body>,
    claimed: &Claimed,
    origin: Origin,
) -> std::result::Result<(Request<Body>, Access, Presented), Refusal> {
    let key = claimed.access_key.as_deref();
    if key.is_some() {
        identity.admit(origin.address, key).map_err(|error| Refusal { presented: false, error: to_s3(error) })?;
    }
    let request = match front.authenticate(request) {
        Ok(request) => request,
        Err(error) => {
            let wrong = error.status() == StatusCode::FORBIDDEN;
            // a session that is over says so, whatever was signed with it
            if let (true, Some(key), Some(token)) = (wrong, key, claimed.session_token.as_deref())
                && let Err(expired @ zot_domain::Error::CredentialsExpired(_)) = identity.signer(key, Some(token)).await
            {
                return Err(Refusal { presented: true, error: to_s3(expired) });
            }
            if wrong {
                identity.failed(origin.address, key);
            }
            return Err(Refusal { presented: wrong, error: refused(&error) });
        }
    };
    let access = request.extensions().get::<Access>().cloned().unwrap_or(Access::Anonymous);
    let presented = match &access {
        Access::Anonymous => {
            Presented { method: None, principal: identity.fresh().await.map(|()| Principal::anonymous()) }
        }
        Access::Signed { access_key, session_token, .. } => Presented {
            method: Some("signature"),
            principal: identity.signer(access_key, session_token.as_deref()).await,
        },
        Access::Other => identity.principal(request.headers(), origin.address).await,
    };
    Ok((request, access, presented))
}

/// The request as the codec and the JSON dialect want it: at the root, and its bucket in the path.
fn cut(mut request: Request<Body>, prefix: &str, domain: Option<&str>) -> Request<Body> {
    let uri = request.uri();
    let path = uri.path().strip_prefix(prefix).unwrap_or(uri.path());
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = request::by_path(domain, request::host_of(&request), &format!("{slash}{path}"));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    // over HTTP/2 the host is in the URI alone, and the codec looks for it in the header
    if let Some(host) = host.filter(|_| !request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// Puts what was observed into the response, for the log and the metrics.
fn note<T: Clone + Send + Sync + 'static>(response: &mut Response<Body>, observed: Option<T>) {
    if let Some(observed) = observed {
        response.extensions_mut().insert(observed);
    }
}

/// The fault behind a status. Which component it was the log says: the codec keeps no more of an error than its status.
fn fault(status: StatusCode) -> Option<Fault> {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Some(Fault { kind: "unavailable", component: "unknown" }),
        StatusCode::INTERNAL_SERVER_ERROR => Some(Fault { kind: "internal", component: "server" }),
        _ => None,
    }
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
