//! Lines between chunks.

use bytes::{Buf as _, Bytes};

use super::super::error::AuthError;

/// How a line may end. minio-go ends a trailer with a bare line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    CrLf,
    LfToo,
}

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    /// Takes bytes up to and including the line feed. True: the line is complete.
    pub(super) fn fill(&mut self, input: &mut Bytes, limit: usize) -> Result<bool, AuthError> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(input.len(), |end| end + 1);
        if self.0.len() + take > limit {
            return Err(broken());
        }
        self.0.extend_from_slice(input.get(..take).unwrap_or_default());
        input.advance(take);
        Ok(end.is_some())
    }

    /// The line without its ending; the next one begins.
    pub(super) fn take(&mut self, ending: Ending) -> Result<Vec<u8>, AuthError> {
        let mut line = std::mem::take(&mut self.0);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        } else if ending == Ending::CrLf {
            return Err(broken());
        }
        Ok(line)
    }

    /// Whether no part of a line was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads `size[;chunk-signature=...]`.
pub(super) fn chunk_size(line: &[u8]) -> Result<(u64, Option<[u8; 64]>), AuthError> {
    let line = str::from_utf8(line).map_err(|_| broken())?;
    let (size, extension) = line.split_once(';').map_or((line, None), |(size, extension)| (size, Some(extension)));
    // from_str_radix would take a sign as well
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(broken());
    }
    let size = u64::from_str_radix(size, 16).map_err(|_| broken())?;
    let signature = extension.map(|extension| {
        let signature = extension.strip_prefix("chunk-signature=").ok_or_else(broken)?;
        signature.as_bytes().try_into().map_err(|_| broken())
    });
    Ok((size, signature.transpose()?))
}

/// The error for a malformed body.
pub(super) fn broken() -> AuthError {
    AuthError::InvalidRequest("The body is not well-formed aws-chunked data.".into())
}
