//! Requests that do not pass, and their neighbours that do.

use axum::body::Body;
use http::{HeaderValue, Request};
use sha2::{Digest as _, Sha256};

use super::signer::Signer;
use super::{ACCESS_KEY, Access, EMPTY, TOKEN, access, front, front_at};
use crate::sigv4::{AuthError, BodySha256, Config};

pub(super) fn get() -> Signer {
    Signer::new("GET", "/bucket/key")
}

pub(super) fn code(request: Request<Body>) -> &'static str {
    front().authenticate(request).map_or_else(|error| error.code(), |_| "passed")
}

pub(super) fn set(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    request
}

pub(super) fn without(mut request: Request<Body>, name: &str) -> Request<Body> {
    request.headers_mut().remove(name);
    request
}

fn bare_copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The same with its credentials changed as text.
pub(super) fn edited(from: &str, to: &str) -> Request<Body> {
    let request = get().sign("");
    let authorization = request.headers()["authorization"].to_str().unwrap().replace(from, to);
    set(request, "authorization", &authorization)
}

pub(super) fn presigned_edited(from: &str, to: &str) -> Request<Body> {
    let mut request = get().presign("");
    *request.uri_mut() = request.uri().to_string().replace(from, to).parse().unwrap();
    request
}

#[test]
fn the_unchanged_requests_pass() {
    assert_eq!(code(get().sign("")), "passed");
    assert_eq!(code(get().presign("")), "passed");
}

#[test]
fn wrong_secret_unknown_key_and_token() {
    let wrong = |it: &mut Signer| "wrong".clone_into(&mut it.secret);
    let unknown = |it: &mut Signer| "AKIAUNKNOWN".clone_into(&mut it.access_key);
    assert_eq!(code(get().with(wrong).sign("")), "SignatureDoesNotMatch");
    assert_eq!(code(get().with(wrong).presign("")), "SignatureDoesNotMatch");
    assert_eq!(code(get().with(unknown).sign("")), "InvalidAccessKeyId");
    assert_eq!(code(get().with(unknown).presign("")), "InvalidAccessKeyId");
    // the decoy opens nothing
    let decoy = |it: &mut Signer| "decoy".clone_into(&mut it.secret);
    assert_eq!(code(get().with(unknown).with(decoy).sign("")), "InvalidAccessKeyId");
    assert_eq!(code(get().header("x-amz-security-token", "other").sign("")), "InvalidToken");
    assert_eq!(code(get().query("X-Amz-Security-Token", "other").presign("")), "InvalidToken");
}

#[test]
fn a_token_is_passed_on_and_removed() {
    for request in
        [get().header("x-amz-security-token", TOKEN).sign(""), get().query("X-Amz-Security-Token", TOKEN).presign("")]
    {
        let passed = front().authenticate(request).unwrap();
        assert!(matches!(access(&passed), Access::Signed { session_token: Some(token), .. } if token == TOKEN));
        assert!(!format!("{:?}", access(&passed)).contains(TOKEN));
        assert!(!passed.headers().contains_key("x-amz-security-token"));
        assert_eq!(passed.uri(), "/bucket/key");
    }
    let twice = get().header("x-amz-security-token", TOKEN).query("X-Amz-Security-Token", TOKEN).presign("");
    assert_eq!(code(twice), "AuthorizationQueryParametersError");
}

#[test]
fn scope() {
    for (change, header) in [
        ("us-east-1/s3", "us-east-1/sqs"),
        ("us-east-1/s3", "us-east-1/sts"),
        ("aws4_request", "aws4_reques"),
        ("20130524/", "20130525/"),
        ("20130524/", "2013052/"),
        ("20130524/us-east-1/s3", "20130524/s3"),
        (ACCESS_KEY, ""),
    ] {
        assert_eq!(code(edited(change, header)), "AuthorizationHeaderMalformed", "{header}");
        let (change, header) = (change.replace('/', "%2F"), header.replace('/', "%2F"));
        assert_eq!(code(presigned_edited(&change, &header)), "AuthorizationQueryParametersError", "{header}");
    }
}

#[test]
fn region() {
    let front = front_at("2013-05-24T00:00:00Z", Config { region: Some("eu-west-1".into()), ..Config::default() });
    let there = |it: &mut Signer| "eu-west-1".clone_into(&mut it.region);
    assert!(front.authenticate(get().with(there).sign("")).is_ok());
    let refused = front.authenticate(get().sign("")).unwrap_err();
    assert!(refused.message().ends_with("the region 'us-east-1' is wrong; expecting 'eu-west-1'"));
    assert_eq!(front.authenticate(get().presign("")).unwrap_err().code(), "AuthorizationQueryParametersError");
}

#[test]
fn sts() {
    let config = Config { allow_sts: true, ..Config::default() };
    let front = front_at("2013-05-24T00:00:00Z", config);
    let sts = |it: &mut Signer| {
        "sts".clone_into(&mut it.service);
        EMPTY.clone_into(&mut it.sha256);
    };
    assert_eq!(code(get().with(sts).sign("")), "AuthorizationHeaderMalformed");
    assert!(front.authenticate(get().with(sts).sign("")).is_ok());
    // a key for one service is not one for the other
    let other = get().with(sts).sign("");
    let authorization = other.headers()["authorization"].to_str().unwrap().replace("/sts/", "/s3/");
    let refused = front.authenticate(set(other, "authorization", &authorization)).unwrap_err();
    assert_eq!(refused, AuthError::SignatureDoesNotMatch);
    // without the header the digest comes from the STS API, and for this service only
    for (service, outcome) in [("sts", "passed"), ("s3", "InvalidRequest")] {
        let bare = get().with(sts).with(|it| {
            service.clone_into(&mut it.service);
            it.bare = true;
        });
        let mut request = bare.sign("");
        assert_eq!(front.authenticate(bare_copy(&request)).unwrap_err().code(), "InvalidRequest");
        request.extensions_mut().insert(BodySha256(Sha256::digest(b"").into()));
        let found = front.authenticate(request).map_or_else(|error| error.code(), |_| "passed");
        assert_eq!(found, outcome, "{service}");
    }
}

#[test]
fn clocks() {
    let at = |now, request| front_at(now, Config::default()).authenticate(request).map_err(|error| error.code());
    for (now, outcome) in [
        ("2013-05-24T00:15:00Z", None),
        ("2013-05-23T23:45:00Z", None),
        ("2013-05-24T00:15:01Z", Some("RequestTimeTooSkewed")),
        ("2013-05-23T23:44:59Z", Some("RequestTimeTooSkewed")),
    ] {
        assert_eq!(at(now, get().sign("")).err(), outcome, "{now}");
    }
    assert!(at("2013-05-24T00:10:00Z", get().presign("")).is_ok());
    assert_eq!(at("2013-05-24T00:10:01Z", get().presign("")).unwrap_err(), "AccessDenied");
}

#[test]
fn dates() {
    for date in
        ["", "2013-05-24T00:00:00Z", "20130524T000000", "20130524T000000Z0", "20131324T000000Z", "20130524T0000+0Z"]
    {
        let bad = get().header("x-amz-date", date).sign("");
        assert_eq!(code(bad), "AccessDenied", "{date}");
        let bad = get().with(|it| date.clone_into(&mut it.time)).presign("");
        assert_eq!(code(bad), "AuthorizationQueryParametersError", "{date}");
    }
    for date in ["Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"] {
        let by_date = get().header("date", date).with(|it| it.undated = true);
        assert_eq!(code(by_date.sign("")), "passed");
    }
    let names = |request: Request<Body>| without(request, "x-amz-date");
    // signed, but gone
    assert_eq!(code(names(get().header("date", "Fri, 24 May 2013 00:00:00 GMT").sign(""))), "AccessDenied");
    assert_eq!(code(names(get().sign(""))), "AccessDenied");
}

#[test]
fn lives() {
    let lasting = |text: &'static str| code(get().with(|it| text.clone_into(&mut it.expires)).presign(""));
    for good in ["1", "604800", "0600"] {
        assert_eq!(lasting(good), "passed", "{good}");
    }
    for bad in ["0", "-1", "604801", "", "1.5", "+5", "ten", "99999999999999999999999999"] {
        assert_eq!(lasting(bad), "AuthorizationQueryParametersError", "{bad}");
    }
}
