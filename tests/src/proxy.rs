//! A load balancer for tests. It sends each request to the next upstream, so a client's requests reach different
//! replicas.
//!
//! Bodies stream both ways, and `Host` is kept. If an upstream fails, the answer is 502: the client has to retry.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, EXPECT, HeaderName, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Headers that concern one connection only.
const HOP_BY_HOP: [HeaderName; 4] = [CONNECTION, EXPECT, UPGRADE, HeaderName::from_static("keep-alive")];

/// A running proxy; dropping it ends it.
pub struct Proxy {
    address: SocketAddr,
    rotation: Arc<Mutex<Rotation>>,
    accepting: JoinHandle<()>,
}

/// The upstream for the next request.
struct Rotation {
    upstreams: Vec<SocketAddr>,
    /// The number of forwarded requests.
    passed: usize,
    refuses: Refuses,
}

/// Requests that the proxy refuses, as a server does without the right.
type Refuses = fn(&Request<Incoming>) -> bool;

impl Proxy {
    /// Listens on a free port of loopback and forwards requests to these upstreams.
    pub async fn start(upstreams: Vec<SocketAddr>) -> Self {
        Self::refusing(upstreams, |_| false).await
    }

    /// The same, but answers some requests with an S3 error 403.
    pub async fn refusing(upstreams: Vec<SocketAddr>, refuses: Refuses) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let rotation = Arc::new(Mutex::new(Rotation { upstreams, passed: 0, refuses }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&rotation)));
        Self { address, rotation, accepting }
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends no further requests to this upstream.
    pub fn take_out(&self, upstream: SocketAddr) {
        self.lock().upstreams.retain(|address| *address != upstream);
    }

    /// Sends requests to this upstream too.
    pub fn put_in(&self, upstream: SocketAddr) {
        self.lock().upstreams.push(upstream);
    }

    /// How many requests were forwarded.
    pub fn passed(&self) -> usize {
        self.lock().passed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rotation> {
        self.rotation.lock().expect("no panic while the lock is held")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Upstream = Client<HttpConnector, Passed>;
/// The body of a request. A request without a body must not get an empty one of unknown length.
type Passed = Either<Channel<Bytes, hyper::Error>, Empty<Bytes>>;
type Body = BoxBody<Bytes, hyper::Error>;

async fn accept(listener: TcpListener, rotation: Arc<Mutex<Rotation>>) {
    // no pool: an open connection to a killed replica would look like a failure
    let client: Upstream = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, client.clone(), Arc::clone(&rotation)));
        }
    }
}

async fn connection(stream: TcpStream, client: Upstream, rotation: Arc<Mutex<Rotation>>) {
    let service = service_fn(move |request| {
        let refuses = rotation.lock().expect("no panic while the lock is held").refuses;
        let is_refused = refuses(&request);
        let (client, upstream) = (client.clone(), if is_refused { None } else { next(&rotation) });
        async move {
            Ok::<_, Infallible>(if is_refused {
                refused(request).await
            } else {
                pass_on(&client, upstream, request).await
            })
        }
    });
    // an error means that the client closed the connection
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The upstream for the next request, if there is one.
fn next(rotation: &Mutex<Rotation>) -> Option<SocketAddr> {
    let mut rotation = rotation.lock().expect("no panic while the lock is held");
    let turn = rotation.passed.checked_rem(rotation.upstreams.len())?;
    rotation.passed += 1;
    Some(rotation.upstreams[turn])
}

async fn pass_on(client: &Upstream, upstream: Option<SocketAddr>, mut request: Request<Incoming>) -> Response<Body> {
    let Some(upstream) = upstream else { return failed("no upstream is left") };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("http://{upstream}{path}").parse::<Uri>() else { return failed("the path is no URI") };
    *request.uri_mut() = uri;
    for name in &HOP_BY_HOP {
        request.headers_mut().remove(name);
    }
    match client.request(request.map(pump)).await {
        Ok(response) => response.map(BodyExt::boxed),
        Err(error) => failed(&format!("upstream {upstream}: {error}")),
    }
}

/// Forwards a body, and reads it to its end even if the upstream answered before that: a client that still
/// sends while its connection is closed may never see the answer.
fn pump(mut body: Incoming) -> Passed {
    if body.is_end_stream() {
        return Either::Right(Empty::new());
    }
    let (mut sender, channel) = Channel::new(1);
    tokio::spawn(async move {
        let mut wanted = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) if wanted => wanted = sender.send(frame).await.is_ok(),
                Ok(_) => {}
                Err(error) => return sender.abort(error),
            }
        }
    });
    Either::Left(channel)
}

/// Reads the body first, so that the client can see the answer.
async fn refused(request: Request<Incoming>) -> Response<Body> {
    // an error means that the client closed the connection
    let _ = request.into_body().collect().await;
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
    answer(StatusCode::FORBIDDEN, denied.to_owned())
}

fn failed(why: &str) -> Response<Body> {
    answer(StatusCode::BAD_GATEWAY, format!("test proxy: {why}\n"))
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}
