//! A proxy in front of the API server that injects faults and counts requests, and operators that run behind it on this
//! machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::harness::{Space, TestCluster};

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    /// 429 with `Retry-After`.
    TooMany,
    /// 500 for a third of the requests.
    Errors,
    /// Watches end after two seconds.
    CutWatches,
    /// 410 for watches: their version has expired.
    Gone,
    /// Connections are closed.
    Blackout,
}

const FAULTS: [Fault; 6] =
    [Fault::None, Fault::TooMany, Fault::Errors, Fault::CutWatches, Fault::Gone, Fault::Blackout];

pub(crate) struct Faulty {
    address: SocketAddr,
    state: State,
}

#[derive(Clone, Default)]
struct State {
    fault: Arc<AtomicU8>,
    requests: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

type Body = BoxBody<Bytes, hyper::Error>;

impl Faulty {
    /// The API server at `upstream` must not require credentials.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let state = State::default();
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, upstream, shared.clone()));
            }
        });
        Self { address, state }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state.fault.store(fault as u8, Ordering::Relaxed);
    }

    /// The number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// The number of writes, except those of the lease.
    pub(crate) fn writes(&self) -> usize {
        self.state.writes.load(Ordering::Relaxed)
    }

    /// An operator that uses this proxy as its API server, and watches one namespace.
    pub(crate) async fn operator(&self, space: &Space<'_>, name: &str) -> Command {
        let config = space.write_kubeconfig(name, &format!("http://{}", self.address));
        let mut operator = Command::new(space.cluster.operator());
        operator.env("KUBECONFIG", &config).env("WATCH_NAMESPACE", &space.name).env("POD_NAMESPACE", &space.name);
        operator.args(["--health-probe-bind-address", "127.0.0.1:0", "--metrics-bind-address", "127.0.0.1:0"]);
        operator.env("RESYNC_SECONDS", "5").env("RELATED_IMAGE_ZOT_ARTIFACT_STORE", space.cluster.server_image().await);
        operator.env("POD_NAME", name).stdout(Stdio::null()).kill_on_drop(true);
        operator
    }
}

async fn connection(stream: TcpStream, upstream: SocketAddr, state: State) {
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build_http();
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, number) = (client.clone(), state.requests.fetch_add(1, Ordering::Relaxed));
        if request.method() != Method::GET && !request.uri().path().contains("/leases") {
            state.writes.fetch_add(1, Ordering::Relaxed);
        }
        let fault = FAULTS[usize::from(state.fault.load(Ordering::Relaxed))];
        async move { answer(&client, upstream, request, fault, number).await }
    });
    // an error is a closed connection
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    client: &Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
    fault: Fault,
    number: usize,
) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let watch = path.contains("watch=true");
    match fault {
        Fault::TooMany => return Ok(status(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")),
        Fault::Errors if number.is_multiple_of(3) => {
            return Ok(status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"));
        }
        Fault::Gone if watch => return Ok(status(StatusCode::GONE, "Expired")),
        Fault::Blackout => return Err(std::io::Error::other("the API server is away")),
        _ => {}
    }
    *request.uri_mut() = format!("http://{upstream}{path}").parse::<Uri>().expect("a URI");
    request.headers_mut().remove("host");
    let response = client.request(request).await.map_err(std::io::Error::other)?;
    Ok(response.map(|body| {
        if watch && matches!(fault, Fault::CutWatches) {
            let until = tokio::time::sleep(Duration::from_secs(2));
            let frames = BodyStream::new(body).take_until(Box::pin(until));
            return BodyExt::boxed(StreamBody::new(shared(frames)));
        }
        body.boxed()
    }))
}

/// A response body has to be `Sync`.
fn shared<T: Send + 'static>(from: impl Stream<Item = T> + Send + 'static) -> impl Stream<Item = T> + Send + Sync {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut from = Box::pin(from);
        while let Some(item) = from.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
}

fn status(code: StatusCode, reason: &str) -> Response<Body> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": "a fault of the test",
    });
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
    response.headers_mut().insert("retry-after", "1".parse().expect("a value"));
    response
}

/// `kubectl proxy`, which adds the administrator's credentials.
pub(crate) async fn kubectl_proxy(cluster: &TestCluster) -> (Child, SocketAddr) {
    let mut command = Command::new(cluster.kubectl());
    command
        .args(["proxy", "--port=0"])
        .env("KUBECONFIG", cluster.kubeconfig())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("kubectl");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = lines.next_line().await.expect("a line").expect("a line");
    let address =
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no address: {line}"));
    (child, address)
}
