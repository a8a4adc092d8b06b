//! What holds for all requests and bodies.

use axum::body::Body;
use bytes::Bytes;
use proptest::prelude::*;

use super::signer::Signer;
use super::{front, read};
use crate::sigv4::{AuthError, fuzz};

const CRC: [(&str, &str); 1] = [("x-amz-checksum-crc32", "wjHtrg==")];

/// The result of a request, read to its end.
fn run(request: http::Request<Body>) -> Result<Vec<u8>, AuthError> {
    let passed = front().authenticate(request)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(read(passed)).map(|(body, _)| body)
}

/// A body that comes in pieces cut at these places.
fn pieces(body: &[u8], cuts: &[usize]) -> Body {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    let pieces: Vec<_> = cuts.windows(2).map(|pair| Bytes::copy_from_slice(&body[pair[0]..pair[1]])).collect();
    Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
}

fn streaming(kind: &str, length: usize) -> Signer {
    Signer::new("PUT", "/bucket/key")
        .header("x-amz-content-sha256", kind)
        .header("x-amz-decoded-content-length", &length.to_string())
        .header("x-amz-trailer", CRC[0].0)
        .with(|it| kind.clone_into(&mut it.sha256))
}

fn framed(signed: bool, data: &[u8], size: usize) -> (Signer, Vec<u8>) {
    let kind = if signed { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" } else { "STREAMING-UNSIGNED-PAYLOAD-TRAILER" };
    let request = streaming(kind, data.len());
    let (_, seed) = request.clone().sign_with_seed("");
    let body = request.chunks(signed.then_some(&*seed), data, size, &CRC);
    (request, body)
}

proptest! {
    #[test]
    fn any_split_decodes_to_the_same(
        data in prop::collection::vec(any::<u8>(), 0..200),
        size in 1_usize..100,
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        signed: bool,
    ) {
        let (signer, body) = framed(signed, &data, size);
        prop_assert_eq!(run(signer.sign(pieces(&body, &cuts))).unwrap(), data);
    }

    /// Nothing in a signed stream can change: no byte of it, and no bit.
    #[test]
    fn any_change_of_a_signed_body_is_refused(
        data in prop::collection::vec(any::<u8>(), 1..100),
        size in 1_usize..50,
        place: prop::sample::Index,
        flip in 1_u8..=255,
    ) {
        let (signer, mut body) = framed(true, &data, size);
        let place = place.index(body.len());
        body[place] ^= flip;
        // framing may be written in another way, which changes nothing: then the same must come out
        if let Ok(read) = run(signer.sign(body)) {
            prop_assert_eq!(read, data);
        }
    }

    #[test]
    fn any_text_can_be_signed(
        path in "(/[a-zA-Z0-9 .~+&=%$€ü()*!'@:,;?#\\[\\]|\"<>{}^`_-]{0,20}){1,6}",
        query in prop::collection::vec(("[a-zA-Z +&=%é/-]{1,8}", "[a-z +&=%é/~*-]{0,8}"), 0..5),
        value in "[a-z\t]{0,3}[ -~]{0,20}",
        presign: bool,
    ) {
        let mut signer = Signer::new("GET", &path).header("x-amz-meta-a", &value);
        signer.query = query;
        let request = if presign { signer.presign("") } else { signer.sign("") };
        prop_assert!(front().authenticate(request).is_ok());
    }

    /// A change in the target that means something else is refused.
    #[test]
    fn any_change_of_the_target_is_refused(
        place: prop::sample::Index,
        byte in prop::sample::select(b"abcdefxyz0123456789ABCDEF-._~%/&=+$".to_vec()),
        presign: bool,
    ) {
        let signer = Signer::new("PUT", "/bucket/a b/ü+&=x~(1).txt").query("tagging", "").query("versionId", "a b+c");
        let mut request = if presign { signer.presign("") } else { signer.sign("") };
        let target = request.uri().to_string();
        let mut changed = target.clone().into_bytes();
        changed[place.index(target.len())] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(meaning(&changed) != meaning(&target));
        let Ok(uri) = changed.parse() else { return Ok(()) };
        *request.uri_mut() = uri;
        // without its question mark a URL is just a path that nobody has signed
        let outcome = front().authenticate(request);
        prop_assert!(outcome.is_err() || !changed.contains('?'), "{}", changed);
    }

    #[test]
    fn any_change_of_a_signed_header_is_refused(
        name in prop::sample::select(vec!["host", "x-amz-date", "x-amz-content-sha256", "x-amz-meta-a", "range"]),
        place: prop::sample::Index,
        byte in b'!'..=b'~',
    ) {
        let signer = Signer::new("GET", "/bucket/key").header("x-amz-meta-a", "some value").header("range", "bytes=0-9");
        let mut request = signer.sign("");
        let value = request.headers()[name].as_bytes().to_vec();
        let mut changed = value.clone();
        changed[place.index(value.len())] = byte;
        prop_assume!(changed != value);
        request.headers_mut().insert(name, http::HeaderValue::from_bytes(&changed).unwrap());
        prop_assert!(front().authenticate(request).is_err());
    }

    #[test]
    fn the_decoder_survives_anything(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::decoder(&data);
    }

    #[test]
    fn the_decoder_survives_nearly_good_bodies(
        form in 0_u8..4, declared in 0_u8..12, step in 1_u8..20,
        body in "(([0-9a]|0)(;chunk-signature=0{64})?\r\n[a-z]{0,10}(\r\n)?){0,4}(x-amz-checksum-crc32:a\r?\n)?(\r\n){0,3}",
    ) {
        fuzz::decoder(&[&[form, declared, step], body.as_bytes()].concat());
    }

    #[test]
    fn the_front_survives_anything(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::front(&data);
    }

    #[test]
    fn the_front_survives_nearly_good_requests(
        target in "/[a-z%]{0,5}(\\?(X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)=[a-zA-Z0-9%/;-]{0,30}&?){0,7})?",
        authorization in "(AWS4-HMAC-SHA256|AWS|Bearer|)[ ,]?(Credential=[A-Za-z0-9/]{0,40},?)?( ?SignedHeaders=[a-z;-]{0,20},)?( ?Signature=[0-9a-f]{0,64})?",
        headers in "((host|x-amz-date|x-amz-content-sha256|content-encoding|x-amz-decoded-content-length):[A-Z0-9a-z-]{0,40}\n){0,5}",
        body in "[0-9a-f;\r\n]{0,40}",
    ) {
        fuzz::front(format!("PUT {target}\nauthorization:{authorization}\n{headers}\n{body}").as_bytes());
    }
}

/// What a target asks for: its path and its pairs, decoded and without order. The name of the signature itself, which
/// is not signed, may be in any case.
fn meaning(target: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let unescape = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let form = |text: &str| unescape(&text.replace('+', " "));
        let mut name = form(name);
        if name.eq_ignore_ascii_case(b"x-amz-signature") {
            name.make_ascii_lowercase();
        }
        [name, b"=".to_vec(), form(value)].concat()
    };
    let mut pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    pairs.sort();
    (unescape(path), pairs)
}
