//! Percent-encoding as signatures need it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::error::AuthError;

/// `UriEncode()` of the AWS page encodes all bytes but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

pub(super) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, IN_PATHS).to_string()
}

/// Undoes percent-encoding. Half an escape, or bytes that are no UTF-8, name nothing here.
pub(super) fn decode(text: &str) -> Result<String, AuthError> {
    let is_whole = |rest: &str| rest.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_whole) {
        return Err(AuthError::InvalidUri);
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| AuthError::InvalidUri)
}

/// The same for a query, which is read as an HTML form: `+` is a space.
pub(super) fn decode_form(text: &str) -> Result<String, AuthError> {
    decode(&text.replace('+', " "))
}
