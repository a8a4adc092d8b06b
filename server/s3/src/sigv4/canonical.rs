//! The canonical request: "Authenticating Requests: Using the Authorization Header", task 1.

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use super::error::AuthError;
use super::query::Query;
use super::uri::{decode, encode_path};

/// The paths that a client may have signed for this one.
///
/// S3 neither normalises a path nor encodes it twice, so dot segments and empty ones stay. Most clients sign what they
/// send. Some send `$`, `+` or `(` as they are and sign them encoded, as S3's own example `test$file.text` does, and
/// some the other way round. All these paths decode to the same text, which is all that the codec sees, so taking each
/// form opens nothing.
pub(super) fn paths(raw: &str) -> Result<Vec<String>, AuthError> {
    let mut paths = vec![encode_path(&decode(raw)?)];
    if paths[0] != raw {
        paths.push(raw.to_owned());
    }
    Ok(paths)
}

/// The request after method and path: query, headers, names, payload.
pub(super) fn tail(parts: &Parts, query: &Query, signed: &[String], payload: &str) -> Result<Vec<u8>, AuthError> {
    let mut out = query.canonical().into_bytes();
    out.push(b'\n');
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        header(parts, name, &mut out)?;
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Ok(out)
}

/// The value of a signed header: trimmed, runs of space as one, several values joined by a comma.
fn header(parts: &Parts, name: &str, out: &mut Vec<u8>) -> Result<(), AuthError> {
    if name == HOST.as_str() {
        out.extend_from_slice(host(parts)?);
        return Ok(());
    }
    let mut values = parts.headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Err(AuthError::SignatureDoesNotMatch);
    }
    while let Some(value) = values.next() {
        let mut words = value.as_bytes().split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        if let Some(word) = words.next() {
            out.extend_from_slice(word);
        }
        for word in words {
            out.push(b' ');
            out.extend_from_slice(word);
        }
        if values.peek().is_some() {
            out.push(b',');
        }
    }
    Ok(())
}

/// The host that was asked. HTTP/2 has it in `:authority` (RFC 9113 section 8.3.1). Two that differ are refused, since
/// the codec might look at the one that was not signed.
fn host(parts: &Parts) -> Result<&[u8], AuthError> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (single(&parts.headers, HOST.as_str())?, authority) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(AuthError::InvalidRequest("The host header is not the host of the request target.".into()))
        }
        (Some(host), _) => Ok(host),
        (None, Some(authority)) => Ok(authority),
        (None, None) => Err(AuthError::InvalidRequest("The request has no host.".into())),
    }
}

/// A header that may come once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(AuthError::InvalidRequest(format!("The header {name} must be given once.").into()));
    }
    Ok(value.map(http::HeaderValue::as_bytes))
}

/// The same as text.
pub(super) fn single_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, AuthError> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    let text = str::from_utf8(value)
        .map_err(|_| AuthError::InvalidRequest(format!("The header {name} is not text.").into()))?;
    Ok(Some(text.trim_ascii()))
}
