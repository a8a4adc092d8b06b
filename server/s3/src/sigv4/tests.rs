//! Shared by the tests: a front with the keys of the examples, and ways to read an answer.

mod chunks;
mod clients;
mod examples;
mod properties;
mod refused;
mod refused_body;
mod refused_form;
mod signer;
mod unit;

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;

use super::{Access, AuthError, Config, Front, Keys, PayloadHash, Secret, Trailers, stream_error};

/// Of the examples on the pages of AWS.
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "FQoGZXIvYXdzEXAMPLE//token==";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Known;

impl Keys for Known {
    fn lookup(&self, access_key: &str, session_token: Option<&str>) -> Option<Secret> {
        let known = access_key == ACCESS_KEY && session_token.is_none_or(|token| token == TOKEN);
        known.then(|| Secret::new(SECRET))
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A front at a time.
fn front_at(now: &str, config: Config) -> Front {
    let now = time(now);
    Front::new(Arc::new(Known), config).with_clock(Arc::new(move || now))
}

/// A front at the time of the examples.
fn front() -> Front {
    front_at("2013-05-24T00:00:00Z", Config::default())
}

/// A request of the examples.
fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn access(request: &Request<Body>) -> &Access {
    request.extensions().get().unwrap()
}

fn payload(request: &Request<Body>) -> PayloadHash {
    *request.extensions().get().unwrap()
}

/// The whole body and its trailers, or why there is none.
async fn read(request: Request<Body>) -> Result<(Vec<u8>, Vec<(String, String)>), AuthError> {
    let trailers: Trailers = request.extensions().get::<Trailers>().unwrap().clone();
    match request.into_body().collect().await {
        Ok(body) => {
            let trailers = trailers.get().unwrap().iter();
            let trailers = trailers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
            Ok((body.to_bytes().to_vec(), trailers.collect()))
        }
        Err(error) => {
            assert!(trailers.get().is_none());
            Err(stream_error(&error).expect("an error of ours").clone())
        }
    }
}
