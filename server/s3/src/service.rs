//! The steps of a request: front, identity, codec.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use axum::routing::any;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Error, S3ErrorCode};
use zot_domain::observed::{Authentication, Fault};
use zot_domain::{Buckets, Call};
use zot_gateway::{Authenticator, Dialect, Gateway, Sender};
use zot_identity::Identity;

use crate::body::{limited, recorded};
use crate::caller::{identify, refused};
use crate::document::{self, DOCUMENT_MAX};
use crate::error::{Named, completed, to_s3};
use crate::ops::Ops;
use crate::sigv4::{Access, Config, Front, Keys, Secret};
use crate::transfer::Attempt;
use crate::{json, request, sts, unsupported};

/// What the configuration says about the S3 API.
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

/// The S3 API. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    options: Options,
    front: Arc<Front>,
    authenticator: Authenticator,
    buckets: Buckets,
    codec: S3Service,
}

/// The access keys, as the front asks for them.
struct SigningKeys(Arc<Identity>);

impl Keys for SigningKeys {
    fn lookup(&self, access_key: &str, session_token: Option<&str>) -> Option<Secret> {
        self.0.signing_secret(access_key, session_token).map(Secret::new)
    }
}

/// A name is checked when its bucket is created. Here, an invalid name is only not found.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

impl S3 {
    /// The S3 API over these use cases and identities.
    pub fn new(buckets: Buckets, authenticator: Authenticator, options: Options) -> Self {
        let mut builder = S3ServiceBuilder::new(Ops::new(buckets.clone(), options.multipart));
        builder.set_validation(AnyName);
        if options.domain.is_some() {
            builder.set_host(request::InPath);
        }
        let keys = Arc::new(SigningKeys(Arc::clone(authenticator.identity())));
        let front = Arc::new(Front::new(keys, Config { allow_sts: true, ..Config::default() }));
        Self { options, front, authenticator, buckets, codec: builder.build() }
    }

    /// The routes of the S3 API below `prefix`. An empty prefix takes every path.
    pub fn router(&self, prefix: &str, gateway: &Gateway) -> Router {
        let (s3, base) = (self.clone(), Arc::<str>::from(prefix));
        let serve = async move |request: Request<Body>| s3.serve(request, &base).await;
        let router = if prefix.is_empty() {
            Router::new().fallback(serve)
        } else {
            Router::new()
                .route(prefix, any(serve.clone()))
                .route(&format!("{prefix}/"), any(serve.clone()))
                .route(&format!("{prefix}/{{*path}}"), any(serve))
        };
        gateway.limited(router, self.clone())
    }

    async fn serve(&self, request: Request<Body>, prefix: &str) -> Response<Body> {
        if sts::is_meant(&request, prefix) {
            return sts::serve(&self.front, &self.authenticator, request).await;
        }
        let sender = Sender::of(request.extensions());
        let transfer = Attempt::of(&request, prefix, self.options.domain.as_deref());
        let named = Named::of(&request, prefix, self.options.domain.as_deref());
        let as_json = json::is_wanted(request.headers()).then(|| request.method().clone());
        let (authentication, admitted) = self.admit(request, &sender).await;
        let principal = admitted.as_ref().ok().and_then(|request| request.extensions().get::<Call>());
        let principal = principal.map(|call| call.principal.clone());
        let mut response = match admitted {
            Ok(request) => self.dispatch(request, prefix, as_json.is_some()).await,
            Err(error) => answer(error),
        };
        if let Some(method) = &as_json {
            response = json::translated(response, method).await;
        }
        response = completed(response, &named, &sender.request_id.to_string()).await;
        let transfer = transfer.and_then(|attempt| attempt.outcome(&response));
        let fault = fault(response.status());
        note(&mut response, principal);
        note(&mut response, authentication);
        note(&mut response, transfer);
        note(&mut response, fault);
        if let Ok(value) = HeaderValue::from_str(&sender.request_id.to_string()) {
            response.headers_mut().insert("x-amz-request-id", value);
        }
        response
    }

    async fn dispatch(&self, request: Request<Body>, prefix: &str, as_json: bool) -> Response<Body> {
        let (request, failure) = recorded(request);
        let request = cut(request, prefix, self.options.domain.as_deref());
        let response = match request::check(&request).and_then(|()| unsupported::check(&request)) {
            Err(error) => answer(error),
            Ok(()) => match document::verified(request).await {
                Err(error) => answer(error),
                Ok(request) if as_json => self.operate_in_json(request).await,
                Ok(request) => self.operate(request).await,
            },
        };
        // a body that does not match its signature has a code of its own, whatever the codec answered
        failure.take().map_or(response, |error| answer(refused(&error)))
    }

    /// Authenticates a request and adds its call. Also returns which credentials it presented.
    async fn admit(
        &self,
        request: Request<Body>,
        sender: &Sender,
    ) -> (Option<Authentication>, Result<Request<Body>, S3Error>) {
        let (authentication, identified) = identify(&self.front, &self.authenticator, request, sender).await;
        let admitted = identified.and_then(|(request, access, principal)| {
            let call = sender.call(principal.map_err(to_s3)?);
            self.let_in(request, &access, call)
        });
        (authentication, admitted)
    }

    fn let_in(&self, mut request: Request<Body>, access: &Access, call: Call) -> Result<Request<Body>, S3Error> {
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

    /// Refuses a body beyond the limit: at once if its length is announced, otherwise when it reaches the limit.
    fn limit(&self, request: &mut Request<Body>) -> Result<(), S3Error> {
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

impl Dialect for S3 {
    fn refusal(&self, request: &Request<Body>) -> impl FnOnce(zot_domain::Error) -> Response<Body> + Send + 'static {
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
}

/// Prepares the request for the codec and for JSON: without the prefix, and with its bucket in the path.
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
    // HTTP/2 has the host only in the URI, and the codec reads the header
    if let Some(host) = host.filter(|_| !request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// Adds observations to the response, for the log and the metrics.
fn note<T: Clone + Send + Sync + 'static>(response: &mut Response<Body>, observed: Option<T>) {
    if let Some(observed) = observed {
        response.extensions_mut().insert(observed);
    }
}

/// The fault behind a status. The codec keeps only an error's status, so the component is in the log alone.
fn fault(status: StatusCode) -> Option<Fault> {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Some(Fault { kind: "unavailable", component: "unknown" }),
        StatusCode::INTERNAL_SERVER_ERROR => Some(Fault { kind: "internal", component: "server" }),
        _ => None,
    }
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
