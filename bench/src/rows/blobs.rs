//! Blobs of one size: push and pull.

use std::sync::Arc;

use async_trait::async_trait;

use crate::content::{Body, mix};
use crate::error::Result;
use crate::http::{Connection, Take};
use crate::target::Target;
use crate::work::{Work, fill};

const OCTETS: &str = "content-type: application/octet-stream\r\n";
/// One of this many bodies is compared with the sent one.
const COMPARED: u64 = 16;

/// How clients send a blob into a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All of it with the closing PUT, as containerd and oras do.
    Put,
    /// All of it by PATCH, then an empty PUT, as docker, crane and skopeo do.
    Patch,
}

#[derive(Clone, Copy)]
pub(crate) struct Push {
    /// Size in bytes.
    pub size: usize,
    pub way: Way,
    /// Sets these blobs apart from others of this size.
    pub series: u64,
}

/// Pulls blobs, one of `count` at a time.
#[derive(Clone, Copy)]
pub(crate) struct Pull {
    /// What they were pushed by.
    pub of: Push,
    /// How many there are.
    pub count: u64,
}

impl Push {
    fn number(self, turn: u64) -> u64 {
        mix(self.series) << 32 | turn
    }

    /// The digest of the blob of that turn.
    pub(crate) fn digest(self, target: &Target, turn: u64) -> String {
        target.content.digest(self.size, self.number(turn))
    }

    /// Pulls the blob of that turn, and compares its bytes if requested.
    pub(crate) async fn pull(
        self,
        target: &Target,
        connection: &mut Connection,
        turn: u64,
        compare: bool,
    ) -> Result<u64> {
        let expected = if compare { target.content.body(self.size, self.number(turn)) } else { Body::default() };
        let take = if compare { Take::Compare(&expected) } else { Take::Count };
        let path = format!("blobs/{}", self.digest(target, turn));
        let request = target.oci("GET", &path, "", Body::default());
        connection.exchange(&request, take).await?.expect(200)?.expect_length(self.size)?;
        Ok(self.size as u64)
    }
}

#[async_trait]
impl Work for Push {
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let body = target.content.body(self.size, self.number(turn));
        push(target, connection, &self.digest(target, turn), body, self.way).await?;
        Ok(self.size as u64)
    }

    async fn check(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<()> {
        self.pull(target, connection, turn, true).await.map(drop)
    }
}

#[async_trait]
impl Work for Pull {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        fill(self.of, target, self.count).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        self.of.pull(target, connection, mix(turn) % self.count, turn.is_multiple_of(COMPARED)).await
    }
}

async fn push(target: &Target, connection: &mut Connection, digest: &str, body: Body, way: Way) -> Result<()> {
    let begin = target.oci("POST", "blobs/uploads/", "", Body::default());
    let mut session = connection.exchange(&begin, Take::Count).await?.expect(202)?;
    let mut last = body;
    if way == Way::Patch {
        let body = std::mem::take(&mut last);
        let patch = target.oci("PATCH", session.header("location")?, OCTETS, body);
        session = connection.exchange(&patch, Take::Count).await?.expect(202)?;
    }
    let location = session.header("location")?;
    let mark = if location.contains('?') { '&' } else { '?' };
    let finish = target.oci("PUT", &format!("{location}{mark}digest={digest}"), OCTETS, last);
    connection.exchange(&finish, Take::Count).await?.expect(201).map(drop)
}
