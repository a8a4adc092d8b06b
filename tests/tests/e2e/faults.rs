//! Case 13: an API server that is slow to be reached, refuses, forgets and goes away. An operator of the test's own runs
//! behind a proxy that does that; the installed one rests meanwhile.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::stand::{DEADLINE, OPERATOR, Stand, condition};

/// Requests a second that two stores may cost while all goes wrong.
const RATE_MAX: usize = 60;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Fault {
    None,
    /// 429 with `Retry-After`.
    TooMany,
    /// A third of the requests 500.
    Errors,
    /// Watches end after two seconds.
    CutWatches,
    /// Watches 410: what was seen last is forgotten.
    Gone,
    /// Nobody is there.
    Blackout,
}

const FAULTS: [Fault; 6] =
    [Fault::None, Fault::TooMany, Fault::Errors, Fault::CutWatches, Fault::Gone, Fault::Blackout];

struct Faulty {
    address: SocketAddr,
    fault: Arc<AtomicU8>,
    passed: Arc<AtomicUsize>,
}

type Body = BoxBody<Bytes, hyper::Error>;

impl Faulty {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let (fault, passed) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicUsize::new(0)));
        let state = (Arc::clone(&fault), Arc::clone(&passed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, upstream, state.clone()));
            }
        });
        Self { address, fault, passed }
    }

    fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
    }
}

async fn connection(stream: TcpStream, upstream: SocketAddr, (fault, passed): (Arc<AtomicU8>, Arc<AtomicUsize>)) {
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build_http();
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, number) = (client.clone(), passed.fetch_add(1, Ordering::Relaxed));
        let fault = FAULTS[usize::from(fault.load(Ordering::Relaxed))];
        async move { answer(&client, upstream, request, fault, number).await }
    });
    // an error is a side that went away, or is to seem so
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
        Fault::Blackout => return Err(std::io::Error::other("nobody is there")),
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

/// The same, as the type of a body wants it: shared between threads.
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

/// kubectl's proxy, which adds the administrator's credentials.
async fn kubectl_proxy(stand: &Stand) -> (Child, SocketAddr) {
    let mut command = Command::new(stand.kubectl());
    command.args(["proxy", "--port=0"]).env("KUBECONFIG", stand.kubeconfig()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("kubectl");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = lines.next_line().await.expect("a line").expect("a line");
    let address =
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no address: {line}"));
    (child, address)
}

#[tokio::test]
async fn case_13_an_api_server_that_fails() {
    let stand = Stand::open();
    let space = stand.space().await;
    let rest = format!("-n {OPERATOR} scale deploy/zot-artifact-store-operator");
    stand.run(&format!("{rest} --replicas=0")).await;
    let (_proxy, upstream) = kubectl_proxy(&stand).await;
    let faulty = Faulty::start(upstream).await;
    let mut operator = Command::new(stand.operator());
    let config = space.write_kubeconfig(&format!("http://{}", faulty.address));
    operator.env("KUBECONFIG", &config).env("WATCH_NAMESPACE", &space.name).env("POD_NAMESPACE", &space.name);
    operator.args(["--health-probe-bind-address", "127.0.0.1:0", "--metrics-bind-address", "127.0.0.1:0"]);
    operator.env("RESYNC_SECONDS", "5").env("RELATED_IMAGE_ZOT_ARTIFACT_STORE", stand.server_image().await);
    operator.stdout(Stdio::null()).kill_on_drop(true);
    let mut running = operator.spawn().expect("the operator");
    space.store("first", &json!({})).await;
    space.until_ready("first").await;
    for (number, fault) in
        [Fault::TooMany, Fault::Errors, Fault::CutWatches, Fault::Gone, Fault::Blackout].into_iter().enumerate()
    {
        let name = format!("store-{number}");
        faulty.set(fault);
        let (before, begun) = (faulty.passed.load(Ordering::Relaxed), Instant::now());
        space.store(&name, &json!({})).await;
        let lasts = if matches!(fault, Fault::Blackout) { 10 } else { 4 };
        tokio::time::sleep(Duration::from_secs(lasts)).await;
        let requests = faulty.passed.load(Ordering::Relaxed) - before;
        let most = usize::try_from(begun.elapsed().as_secs() + 1).expect("seconds") * RATE_MAX;
        assert!(requests < most, "{fault:?}: {requests} requests in {:?}", begun.elapsed());
        faulty.set(Fault::None);
        // who lost the lease has ended itself, and is started again as a kubelet would
        if running.try_wait().expect("our child").is_some() {
            running = operator.spawn().expect("the operator");
        }
        let begun = Instant::now();
        loop {
            if running.try_wait().expect("our child").is_some() {
                running = operator.spawn().expect("the operator");
            }
            let store = space.get(&format!("zas/{name}")).await.unwrap_or_default();
            if condition(&store, "Ready")["status"] == "True" {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "after {fault:?}: {store:#}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        println!("{fault:?}: {requests} requests, ready {:?} after it", begun.elapsed());
    }
    running.kill().await.expect("our child");
    stand.run(&format!("{rest} --replicas=2")).await;
}
