//! What the fuzz targets call, and property tests on the stable toolchain too.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Body as _;
use jiff::Timestamp;

use super::chunked::{Chain, Decoder, Form};
use super::keys::SigningKey;
use super::query::Query;
use super::scope::Scope;
use super::{Access, Config, Front, Keys, Secret};

/// The one key of the fuzz front: that of the examples of AWS.
struct Example;

impl Keys for Example {
    fn lookup(&self, access_key: &str, session_token: Option<&str>) -> Option<Secret> {
        let known = access_key == "AKIAIOSFODNN7EXAMPLE" && session_token.is_none();
        known.then(|| Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
    }
}

/// Reads `METHOD target`, header lines, an empty line and a body; lets a front judge it and reads what comes out.
///
/// # Panics
/// If a request that passed still holds what signed it.
pub fn front(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let clock: super::Clock = Arc::new(|| Timestamp::from_second(1_369_353_600).unwrap_or_default());
    let config = Config { allow_sts: true, ..Config::default() };
    let front = Front::new(Arc::new(Example), config).with_clock(clock);
    let Ok(request) = front.authenticate(request) else { return };
    let access = request.extensions().get::<Access>();
    assert!(access.is_some(), "a request passed without an access");
    if access != Some(&Access::Other) {
        assert!(!request.headers().contains_key("authorization"), "the signature is still there");
    }
    let signed = Query::parse(request.uri().query().unwrap_or_default()).is_ok_and(|query| query.is_presigned());
    assert!(!signed, "the signature is still there");
    drain(request.into_body());
}

fn request(data: &[u8]) -> Option<Request<Body>> {
    let mut rest = data;
    let mut line = || -> Option<&[u8]> {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..end)?;
        rest = rest.get(end + 1..)?;
        Some(line)
    };
    let start = str::from_utf8(line()?).ok()?;
    let (method, target) = start.split_once(' ')?;
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(target);
    while let Some(line) = line().filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line.get(colon + 1..)?).ok()?);
    }
    request.body(Body::from(rest.to_vec())).ok()
}

/// Reads a body that never waits.
fn drain(body: Body) {
    let mut body = std::pin::pin!(body);
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut context) {}
}

/// Reads the form of a body, its length and how it is split, then decodes the rest.
///
/// # Panics
/// If more comes out than was declared, or less of a body that is said to be whole.
pub fn decoder(data: &[u8]) {
    let [form, declared, step, body @ ..] = data else { return };
    let trailer = (form & 1 == 1).then(|| vec!["x-amz-checksum-crc32".to_owned()]);
    let chain = (form & 2 == 2).then(chain);
    let mut decoder = Decoder::new(Form { chain, declared: u64::from(*declared), trailer });
    let mut length = 0;
    for piece in body.chunks(usize::from(*step).max(1)) {
        let mut input = Bytes::copy_from_slice(piece);
        while !input.is_empty() {
            let Ok(bytes) = decoder.push(&mut input) else { return };
            length += bytes.map_or(0, |bytes| bytes.len());
            assert!(length <= usize::from(*declared), "more than declared");
        }
    }
    if decoder.end().is_ok() {
        assert_eq!(length, usize::from(*declared), "the body is whole but short");
    }
}

fn chain() -> Chain {
    let scope = Scope { date: "20130524".to_owned(), region: "us-east-1".to_owned(), service: "s3".to_owned() };
    let key = SigningKey::derive(&Secret::new("secret"), &scope);
    Chain::new(key, "20130524T000000Z", &scope.text(), [b'0'; 64])
}
