//! The trailer, which follows the last chunk.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::error::AuthError;
use super::signature::Chain;

/// Most bytes of all lines of a trailer.
const TRAILER: usize = 16 * 1024;
/// The last line of a signed trailer.
const SIGNATURE: &str = "x-amz-trailer-signature";

/// The trailer being read.
pub(super) struct TrailerBlock {
    /// Announced names that have not arrived; none if no trailer may follow.
    missing: Option<Vec<String>>,
    signed: bool,
    verified: bool,
    blank: bool,
    room: usize,
    canonical: String,
    headers: HeaderMap,
}

impl TrailerBlock {
    /// Expects the announced names, or no trailer at all.
    pub(super) fn new(announced: Option<Vec<String>>, signed: bool) -> Self {
        Self {
            missing: announced,
            signed,
            verified: false,
            blank: false,
            room: TRAILER,
            canonical: String::new(),
            headers: HeaderMap::new(),
        }
    }

    /// Bytes that may still arrive.
    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// Takes a line. True: it was the last one.
    pub(super) fn line(&mut self, line: &[u8], chain: Option<&mut Chain>) -> Result<bool, AuthError> {
        // counted here, since the reader starts each line anew
        self.room = self.room.saturating_sub(line.len() + 1);
        if line.is_empty() {
            return self.empty_line();
        }
        let Some(missing) = &mut self.missing else { return Err(broken()) };
        let (name, value) = split(line)?;
        if self.verified {
            return Err(broken());
        }
        if let (SIGNATURE, Some(chain)) = (name.as_str(), chain) {
            chain.trailer(&self.canonical, value.as_bytes())?;
            self.verified = true;
            return Ok(false);
        }
        let place = missing.iter().position(|announced| announced == name.as_str()).ok_or_else(broken)?;
        missing.swap_remove(place);
        for part in [name.as_str(), ":", &String::from_utf8_lossy(value.as_bytes()), "\n"] {
            self.canonical.push_str(part);
        }
        self.headers.append(name, value);
        Ok(false)
    }

    /// An empty line ends the trailer, but for minio-go, which writes one before the signature.
    fn empty_line(&mut self) -> Result<bool, AuthError> {
        let Some(missing) = &self.missing else { return Ok(true) };
        let unsigned_yet = self.signed && !self.verified;
        if unsigned_yet && !self.headers.is_empty() && !self.blank {
            self.blank = true;
            return Ok(false);
        }
        // without any trailer there is nothing to sign, and the last chunk was signed
        if !missing.is_empty() || (unsigned_yet && !self.headers.is_empty()) {
            return Err(AuthError::MalformedTrailer("The trailer announced in x-amz-trailer is not complete.".into()));
        }
        Ok(true)
    }

    /// minio-go ends an unsigned trailer with two empty lines.
    pub(super) const fn may_have_spare_line(&self) -> bool {
        self.missing.is_some() && !self.signed
    }

    /// The headers that arrived.
    pub(super) fn take(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }
}

fn split(line: &[u8]) -> Result<(HeaderName, HeaderValue), AuthError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(broken)?;
    let (name, value) = line.split_at_checked(colon).ok_or_else(broken)?;
    let name = HeaderName::from_bytes(name).map_err(|_| broken())?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let text = str::from_utf8(value).map_err(|_| broken())?;
    Ok((name, HeaderValue::from_str(text).map_err(|_| broken())?))
}

fn broken() -> AuthError {
    let message = "The request contained trailing data that was not well-formed or did not conform to our published \
                   schema.";
    AuthError::MalformedTrailer(message.into())
}
