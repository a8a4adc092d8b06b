//! Decoder of `aws-chunked` bodies, signed or not.
//!
//! "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and "... Including
//! Trailing Headers". A chunk is `size[;chunk-signature=...]\r\n data \r\n`; the last one is empty. Bytes are passed
//! on at once: only the current line is kept.

mod line;
mod signature;
mod trailer;

use bytes::Bytes;
use http::HeaderMap;
use line::{Ending, Line, chunk_size};
pub(super) use signature::Chain;
use trailer::TrailerBlock;

use super::error::AuthError;

/// Longest line that begins a chunk: 16 digits and a signature are 97 bytes.
const SIZE_LINE: usize = 256;

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    /// After the end of an unsigned trailer: minio-go writes one more empty line.
    Spare,
    Done,
}

pub(super) struct Decoder {
    state: State,
    line: Line,
    declared: u64,
    decoded: u64,
    started: bool,
    chain: Option<Chain>,
    trailers: TrailerBlock,
}

/// The form of a chunked body.
pub(super) struct Form {
    /// The signatures to check, if chunks are signed.
    pub(super) chain: Option<Chain>,
    /// `x-amz-decoded-content-length`.
    pub(super) declared: u64,
    /// The names in `x-amz-trailer` if a trailer may follow.
    pub(super) trailer: Option<Vec<String>>,
}

impl Decoder {
    /// A decoder before its first chunk.
    pub(super) fn new(form: Form) -> Self {
        Self {
            state: State::Size,
            line: Line::default(),
            declared: form.declared,
            decoded: 0,
            started: false,
            trailers: TrailerBlock::new(form.trailer, form.chain.is_some()),
            chain: form.chain,
        }
    }

    /// Takes from the input, up to the next bytes of the body or all of it.
    pub(super) fn push(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, AuthError> {
        while !input.is_empty() {
            self.started = true;
            match self.state {
                State::Data(left) => return self.data(left, input).map(Some),
                State::Done => return Err(AuthError::InvalidRequest("Data follows the end of the body.".into())),
                State::Size if self.line.fill(input, SIZE_LINE)? => self.begin_chunk()?,
                State::DataEnd if self.line.fill(input, 2)? => {
                    self.line.take(Ending::CrLf)?.is_empty().then_some(()).ok_or_else(line::broken)?;
                    self.state = State::Size;
                }
                State::Trailer if self.line.fill(input, self.trailers.room())? => self.trailer_line()?,
                State::Spare if self.line.fill(input, 2)? => {
                    self.line.take(Ending::CrLf)?.is_empty().then_some(()).ok_or_else(line::broken)?;
                    self.state = State::Done;
                }
                State::Size | State::DataEnd | State::Trailer | State::Spare => {}
            }
        }
        Ok(None)
    }

    /// Ends the input and gives the trailing headers.
    pub(super) fn end(&mut self) -> Result<HeaderMap, AuthError> {
        match self.state {
            State::Done => Ok(self.trailers.take()),
            State::Spare if self.line.is_empty() => Ok(self.trailers.take()),
            State::Spare => Err(line::broken()),
            // minio-go sends an empty object without any chunk. Its length is signed, so nothing can have been lost.
            State::Size if !self.started && self.declared == 0 => Ok(HeaderMap::new()),
            _ => Err(AuthError::IncompleteBody("The body ended before its last chunk.".into())),
        }
    }

    /// Length of the whole body.
    pub(super) const fn declared(&self) -> u64 {
        self.declared
    }

    fn begin_chunk(&mut self) -> Result<(), AuthError> {
        let line = self.line.take(Ending::CrLf)?;
        let (size, signature) = chunk_size(&line)?;
        match (&mut self.chain, signature) {
            (Some(chain), Some(signature)) => chain.begin(signature),
            (None, None) => {}
            _ => return Err(line::broken()),
        }
        if size > self.declared - self.decoded {
            return Err(AuthError::IncompleteBody("The body is longer than x-amz-decoded-content-length.".into()));
        }
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        if self.decoded != self.declared {
            return Err(AuthError::IncompleteBody("The body is shorter than x-amz-decoded-content-length.".into()));
        }
        self.end_chunk()?;
        self.state = State::Trailer;
        Ok(())
    }

    /// The signature is verified before the last bytes of a chunk are passed on.
    fn data(&mut self, left: u64, input: &mut Bytes) -> Result<Bytes, AuthError> {
        let take = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let bytes = input.split_to(take);
        let taken = bytes.len() as u64;
        self.decoded += taken;
        if let Some(chain) = &mut self.chain {
            chain.update(&bytes);
        }
        if taken < left {
            self.state = State::Data(left - taken);
        } else {
            self.end_chunk()?;
            self.state = State::DataEnd;
        }
        Ok(bytes)
    }

    fn end_chunk(&mut self) -> Result<(), AuthError> {
        self.chain.as_mut().map_or(Ok(()), Chain::end_chunk)
    }

    fn trailer_line(&mut self) -> Result<(), AuthError> {
        let line = self.line.take(Ending::LfToo)?;
        if self.trailers.line(&line, self.chain.as_mut())? {
            self.state = if self.trailers.may_have_spare_line() { State::Spare } else { State::Done };
        }
        Ok(())
    }
}
