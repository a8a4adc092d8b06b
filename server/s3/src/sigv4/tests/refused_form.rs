//! Requests whose form does not pass: headers, schemes, hosts and targets.

use http::HeaderValue;

use super::refused::{code, edited, get, presigned_edited, set, without};
use super::signer::Signer;
use super::{Access, SECRET, TOKEN, access, front, request};

/// The hole of the codec: a presigned upload turned into a copy of what the signer may read.
#[test]
fn unsigned_amz_headers() {
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-content-sha256", "x-amz-security-token", "x-amz-anything"] {
        let more = |it: &mut Signer| it.unsigned.push((name.to_owned(), "UNSIGNED-PAYLOAD".to_owned()));
        assert_eq!(code(Signer::new("PUT", "/b/k").with(more).presign("")), "AccessDenied", "{name}");
        if name != "x-amz-content-sha256" {
            assert_eq!(code(Signer::new("PUT", "/b/k").with(more).sign("")), "AccessDenied", "{name}");
        }
        let signed =
            Signer::new("PUT", "/b/k").header(name, if name.ends_with("token") { TOKEN } else { "UNSIGNED-PAYLOAD" });
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
    assert_eq!(
        code(presigned_edited("SignedHeaders=host", "SignedHeaders=range")),
        "AuthorizationQueryParametersError"
    );
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
        (
            "AWS4-HMAC-SHA256 Credential=a, Credential=a, SignedHeaders=host, Signature=b",
            "AuthorizationHeaderMalformed",
        ),
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
    for name in
        ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]
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
    for bad in ["/b/%zz", "/b/%f", "/b/%+f", "/b/%ff", "/b/k?x=%", "/b/k?%C3=1"] {
        let mut request = get().sign("");
        *request.uri_mut() = bad.parse().unwrap();
        assert_eq!(code(request), "InvalidURI", "{bad}");
    }
}

#[test]
fn secrets_are_not_printed() {
    assert!(!format!("{:?}", crate::sigv4::Secret::new(SECRET)).contains(SECRET));
}
