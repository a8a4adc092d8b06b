//! Requests that do not pass, and their neighbours that do.

use axum::body::Body;
use http::{HeaderValue, Request};
use sha2::{Digest as _, Sha256};

use super::signer::Signer;
use super::{ACCESS_KEY, Access, EMPTY, SECRET, TOKEN, access, front, front_at, request};
use crate::sigv4::{AuthError, BodySha256, Config};

fn get() -> Signer {
    Signer::new("GET", "/bucket/key")
}

fn code(request: Request<Body>) -> &'static str {
    front().authenticate(request).map_or_else(|error| error.code(), |_| "passed")
}

fn set(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    request
}

fn without(mut request: Request<Body>, name: &str) -> Request<Body> {
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
fn edited(from: &str, to: &str) -> Request<Body> {
    let request = get().sign("");
    let authorization = request.headers()["authorization"].to_str().unwrap().replace(from, to);
    set(request, "authorization", &authorization)
}

fn presigned_edited(from: &str, to: &str) -> Request<Body> {
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
    // without the header the digest comes from the door, and for this service only
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
    for date in ["", "2013-05-24T00:00:00Z", "20130524T000000", "20130524T000000Z0", "20131324T000000Z", "20130524T0000+0Z"]
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

/// The hole of the codec: a presigned upload turned into a copy of what the signer may read.
#[test]
fn unsigned_amz_headers() {
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-content-sha256", "x-amz-security-token", "x-amz-anything"] {
        let more = |it: &mut Signer| it.unsigned.push((name.to_owned(), "UNSIGNED-PAYLOAD".to_owned()));
        assert_eq!(code(Signer::new("PUT", "/b/k").with(more).presign("")), "AccessDenied", "{name}");
        if name != "x-amz-content-sha256" {
            assert_eq!(code(Signer::new("PUT", "/b/k").with(more).sign("")), "AccessDenied", "{name}");
        }
        let signed = Signer::new("PUT", "/b/k").header(name, if name.ends_with("token") { TOKEN } else { "UNSIGNED-PAYLOAD" });
        assert_eq!(code(signed.presign("")), "passed", "{name}");
    }
    let harmless = |it: &mut Signer| it.unsigned.push(("x-amzn-trace-id".to_owned(), "Root=1".to_owned()));
    assert_eq!(code(get().with(harmless).sign("")), "passed");
}

#[test]
fn signed_headers() {
    assert_eq!(code(without(get().header("range", "bytes=0-9").sign(""), "range")), "AccessDenied");
    assert_eq!(code(edited("host;", "")), "AuthorizationHeaderMalformed");
    assert_eq!(code(edited("host;", "host;host;")), "AuthorizationHeaderMalformed");
    assert_eq!(code(edited("host;", "Host;")), "AuthorizationHeaderMalformed");
    assert_eq!(code(edited("host;", "host;;")), "AuthorizationHeaderMalformed");
    assert_eq!(code(presigned_edited("SignedHeaders=host", "SignedHeaders=range")), "AuthorizationQueryParametersError");
    assert_eq!(code(edited("host;", "host;range;")), "AccessDenied");
    let twice = |it: &mut Signer| it.unsigned.push(("x-amz-date".to_owned(), "20130524T000000Z".to_owned()));
    assert_eq!(code(get().with(twice).sign("")), "InvalidRequest");
}

#[test]
fn hosts() {
    let mut request = get().sign("");
    request.headers_mut().append("host", HeaderValue::from_static("other.example.test"));
    assert_eq!(code(request), "InvalidRequest");
    let mut request = get().sign("");
    *request.uri_mut() = "https://other.example.test/bucket/key".parse().unwrap();
    assert_eq!(code(request), "InvalidRequest");
    assert_eq!(code(without(get().sign(""), "host")), "InvalidRequest");
    assert_eq!(code(set(get().sign(""), "host", "other.example.test")), "SignatureDoesNotMatch");
}

#[test]
fn other_schemes() {
    for (value, outcome) in [
        ("AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", "InvalidRequest"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "NotImplemented"),
        ("Digest username=x", "InvalidArgument"),
        ("", "InvalidArgument"),
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=a, Credential=a, SignedHeaders=host, Signature=b", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b, Extra=c", "AuthorizationHeaderMalformed"),
        ("Bearer abc", "passed"),
        ("basic abc", "passed"),
    ] {
        assert_eq!(code(request("GET", "/b/k", &[("host", "h"), ("authorization", value)], "")), outcome, "{value}");
    }
}

#[test]
fn bearer_passes_untouched() {
    let passed = front().authenticate(request("GET", "/b/k?x", &[("authorization", "Bearer abc")], "")).unwrap();
    assert_eq!(*access(&passed), Access::Other);
    assert_eq!(passed.headers()["authorization"], "Bearer abc");
    assert_eq!(passed.uri(), "/b/k?x");
}

#[test]
fn one_mechanism_only() {
    let mut twice = get().sign("");
    let same = twice.headers()["authorization"].clone();
    twice.headers_mut().append("authorization", same);
    assert_eq!(code(twice), "InvalidRequest");
    for extra in ["Bearer abc", get().sign("").headers()["authorization"].to_str().unwrap()] {
        assert_eq!(code(set(get().presign(""), "authorization", extra)), "InvalidArgument");
    }
    let version_2 = "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=x";
    assert_eq!(code(request("GET", version_2, &[("host", "h")], "")), "InvalidRequest");
    assert_eq!(code(request("GET", "/b/k?Expires=1&Signature=x", &[("host", "h")], "")), "InvalidRequest");
    assert_eq!(code(request("GET", version_2, &[("authorization", "Bearer abc")], "")), "InvalidArgument");
}

#[test]
fn broken_presigned_urls() {
    for name in ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]
    {
        let missing = presigned_edited(&format!("{name}="), "other=");
        assert_eq!(code(missing), "AuthorizationQueryParametersError", "{name}");
        let twice = presigned_edited(&format!("{name}="), &format!("{name}=x&{}=", name.to_lowercase()));
        assert_eq!(code(twice), "AuthorizationQueryParametersError", "{name}");
    }
    assert_eq!(code(presigned_edited("AWS4-HMAC", "AWS4-ECDSA-P256")), "NotImplemented");
    assert_eq!(code(presigned_edited("AWS4-HMAC", "AWS5-HMAC")), "AuthorizationQueryParametersError");
    assert_eq!(code(presigned_edited("/bucket/key?", "/bucket/key?response-content-type=x&")), "SignatureDoesNotMatch");
    // no spelling of the names gets by as anonymous
    assert_eq!(code(request("GET", "/b/k?x%2Damz%2DSIGNATURE=x", &[], "")), "AuthorizationQueryParametersError");
}

#[test]
fn forms() {
    for content_type in ["multipart/form-data; boundary=x", "Multipart/Form-Data", " multipart/form-data"] {
        let form = request("POST", "/bucket", &[("host", "h"), ("content-type", content_type)], "");
        assert_eq!(code(form), "NotImplemented");
    }
    assert_eq!(code(request("POST", "/bucket?delete", &[("content-type", "text/xml")], "")), "passed");
}

#[test]
fn targets() {
    for bad in ["/b/%zz", "/b/%f", "/b/%ff", "/b/k?x=%", "/b/k?%C3=1"] {
        assert_eq!(code(request("GET", bad, &[("host", "h")], "")), "InvalidURI", "{bad}");
    }
}

#[test]
fn secrets_are_not_printed() {
    assert!(!format!("{:?}", crate::sigv4::Secret::new(SECRET)).contains(SECRET));
}
