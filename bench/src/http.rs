//! A cheap HTTP/1.1 client: one connection, one buffer, no allocation for a body that is only counted.
//!
//! The load generator shares its cores with the measured server, so its own cost distorts the figures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::content::Body;
use crate::error::{Error, Result};

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;
/// Bodies up to this size are sent in one piece with the head.
const JOINED: usize = 64 * 1024;
/// Longest head of a response.
const HEAD_MAX: usize = 64 * 1024;

pub(crate) struct Request {
    pub method: &'static str,
    /// Path and query, as they go over the wire.
    pub path: String,
    /// Lines `name: value\r\n`, without length and host.
    pub headers: String,
    pub body: Body,
}

/// The use of a response's body, if the status is 2xx. Any other body is kept for the error.
#[derive(Clone, Copy)]
pub(crate) enum Take<'a> {
    /// Count the bytes.
    Count,
    /// Count them and compare them with these.
    Compare(&'a Body),
    Keep,
}

/// An answer whose body was read to its end.
pub(crate) struct Reply {
    what: String,
    head: String,
    status: u16,
    /// Length of the body in bytes.
    pub length: usize,
    /// The body, where it was kept.
    pub body: Vec<u8>,
}

impl Reply {
    /// Checks the status.
    ///
    /// # Errors
    /// [`Error::Answer`] with the whole answer.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        if self.status == status { Ok(self) } else { Err(self.wrong(&format!("expected status {status}"))) }
    }

    /// Checks the length of the body.
    ///
    /// # Errors
    /// [`Error::Answer`] with the whole answer.
    pub(crate) fn expect_length(self, length: usize) -> Result<Self> {
        if self.length == length { Ok(self) } else { Err(self.wrong(&format!("expected {length} bytes"))) }
    }

    /// A required header.
    ///
    /// # Errors
    /// [`Error::Answer`] with the whole answer.
    pub(crate) fn header(&self, name: &str) -> Result<&str> {
        header(&self.head, name).ok_or_else(|| self.wrong(&format!("no header {name}")))
    }

    /// The kept body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error that says what is wrong with this answer.
    pub(crate) fn wrong(&self, why: &str) -> Error {
        let body: String = self.text().chars().take(1000).collect();
        Error::Answer(format!("{}: {why}, got {} bytes:\n{}\n{body}", self.what, self.length, self.head.trim_end()))
    }
}

/// A connection of one client.
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Box<[u8]>,
    /// The part of the buffer that was read and not used yet.
    filled: std::ops::Range<usize>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.map_err(Error::io(format!("connecting to {address}")))?;
        stream.set_nodelay(true).map_err(Error::io("TCP_NODELAY"))?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { stream, host: address.to_string(), buffer, filled: 0..0 })
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Answer`] for a response that is not HTTP/1.1, or has a wrong body.
    pub(crate) async fn exchange(&mut self, request: &Request, take: Take<'_>) -> Result<Reply> {
        let what = format!("{} {}{}", request.method, self.host, request.path);
        self.send(request).await.map_err(Error::io(&what))?;
        let head = self.read_head(&what).await?;
        let status = status(&head).ok_or_else(|| Error::Answer(format!("{what}: this is not HTTP/1.1: {head}")))?;
        let bodiless = request.method == "HEAD" || matches!(status, 204 | 304);
        let length = match header(&head, "content-length").map(str::parse) {
            _ if bodiless => 0,
            Some(Ok(length)) => length,
            _ => return Err(Error::Answer(format!("{what}: an answer without a length:\n{head}"))),
        };
        let take = if status / 100 == 2 { take } else { Take::Keep };
        let body = self.read_body(length, take, &what).await?;
        Ok(Reply { what, head, status, length, body })
    }

    async fn send(&mut self, request: &Request) -> std::io::Result<()> {
        let Request { method, path, headers, body } = request;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        )
        .into_bytes();
        if body.len() <= JOINED {
            body.pieces().iter().for_each(|piece| head.extend_from_slice(piece));
            return self.stream.write_all(&head).await;
        }
        self.stream.write_all(&head).await?;
        for piece in body.pieces() {
            self.stream.write_all(piece).await?;
        }
        Ok(())
    }

    async fn read_head(&mut self, what: &str) -> Result<String> {
        let mut looked = 0;
        loop {
            let read = &self.buffer[self.filled.clone()];
            if let Some(end) = read[looked..].windows(4).position(|window| window == b"\r\n\r\n") {
                let end = looked + end + 4;
                let head = String::from_utf8_lossy(&read[..end]).into_owned();
                self.filled.start += end;
                return Ok(head);
            }
            looked = read.len().saturating_sub(3);
            if read.len() > HEAD_MAX {
                return Err(Error::Answer(format!("{what}: a head without an end")));
            }
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
            let end = self.filled.end;
            self.filled.end += self.read_at(end, what).await?;
        }
    }

    async fn read_body(&mut self, length: usize, take: Take<'_>, what: &str) -> Result<Vec<u8>> {
        let mut kept = Vec::new();
        let mut offset = 0;
        while offset < length {
            if self.filled.is_empty() {
                self.filled = 0..self.read_at(0, what).await?;
            }
            let size = self.filled.len().min(length - offset);
            let bytes = &self.buffer[self.filled.start..self.filled.start + size];
            match take {
                Take::Count => {}
                Take::Keep => kept.extend_from_slice(bytes),
                Take::Compare(body) if body.holds(offset, bytes) => {}
                Take::Compare(_) => {
                    return Err(Error::Answer(format!("{what}: other bytes than were sent, near offset {offset}")));
                }
            }
            self.filled.start += size;
            offset += size;
        }
        Ok(kept)
    }

    async fn read_at(&mut self, start: usize, what: &str) -> Result<usize> {
        match self.stream.read(&mut self.buffer[start..]).await.map_err(Error::io(what))? {
            0 => Err(Error::Answer(format!("{what}: the server closed the connection in the middle of an answer"))),
            read => Ok(read),
        }
    }
}

fn status(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_understood() {
        let head = "HTTP/1.1 206 Partial Content\r\nContent-LENGTH: 17\r\nLocation: http://a:1/b?c=d:e\r\n\r\n";
        assert_eq!(status(head), Some(206));
        assert_eq!(header(head, "content-length"), Some("17"));
        assert_eq!(header(head, "location"), Some("http://a:1/b?c=d:e"));
        assert_eq!(header(head, "etag"), None);
        assert_eq!(status("HTTP/1.0 200 OK\r\n\r\n"), None);
    }
}
