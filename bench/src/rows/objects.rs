//! Objects of one size: put, get, head.

use std::sync::Arc;

use async_trait::async_trait;

use crate::content::{Body, mix, series};
use crate::error::Result;
use crate::http::{Connection, Take};
use crate::sign::UNSIGNED;
use crate::target::Target;
use crate::work::{Work, fill};

/// One of this many bodies is compared with the sent one.
const COMPARED: u64 = 16;

#[derive(Clone, Copy)]
pub(crate) struct Put {
    /// Folder of the keys; sets the contents apart from those of other folders, too.
    pub folder: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Whether the signature covers the body's SHA-256.
    pub signed: bool,
}

/// Gets objects, one of `count` at a time.
#[derive(Clone, Copy)]
pub(crate) struct Get {
    /// What they were put by.
    pub of: Put,
    /// How many there are.
    pub count: u64,
}

/// Asks for objects' headers.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    /// What they were put by.
    pub of: Put,
    /// How many there are.
    pub count: u64,
}

impl Put {
    pub(crate) fn key(self, turn: u64) -> String {
        format!("{}/{turn:08}", self.folder)
    }

    fn number(self, turn: u64) -> u64 {
        series(self.folder) | turn
    }

    /// Gets an object and compares, if told so, its bytes.
    async fn get(self, target: &Target, connection: &mut Connection, turn: u64, compare: bool) -> Result<u64> {
        let expected = if compare { target.content.body(self.size, self.number(turn)) } else { Body::default() };
        let take = if compare { Take::Compare(&expected) } else { Take::Count };
        let request = target.s3("GET", &self.key(turn), "", Body::default());
        connection.exchange(&request, take).await?.expect(200)?.expect_length(self.size)?;
        Ok(self.size as u64)
    }
}

#[async_trait]
impl Work for Put {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        make_bucket(target).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let body = target.content.body(self.size, self.number(turn));
        let payload =
            if self.signed { target.content.sha256(self.size, self.number(turn)) } else { UNSIGNED.to_owned() };
        let request = target.s3_signed("PUT", &self.key(turn), "", body, &payload);
        connection.exchange(&request, Take::Count).await?.expect(200)?;
        Ok(self.size as u64)
    }

    async fn check(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<()> {
        self.get(target, connection, turn, true).await.map(drop)
    }
}

#[async_trait]
impl Work for Get {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        make_bucket(target).await?;
        fill(self.of, target, self.count).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        self.of.get(target, connection, mix(turn) % self.count, turn.is_multiple_of(COMPARED)).await
    }
}

#[async_trait]
impl Work for Head {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        make_bucket(target).await?;
        fill(self.of, target, self.count).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let request = target.s3("HEAD", &self.of.key(mix(turn) % self.count), "", Body::default());
        let reply = connection.exchange(&request, Take::Count).await?.expect(200)?;
        if reply.header("content-length")? != self.of.size.to_string() {
            return Err(reply.wrong(&format!("expected an object of {} bytes", self.of.size)));
        }
        Ok(0)
    }
}

/// Creates the bucket, unless it exists.
pub(crate) async fn make_bucket(target: &Target) -> Result<()> {
    let mut connection = target.connect().await?;
    let found = connection.exchange(&target.s3("HEAD", "", "", Body::default()), Take::Count).await?;
    if found.expect(200).is_ok() {
        return Ok(());
    }
    connection.exchange(&target.s3("PUT", "", "", Body::default()), Take::Count).await?.expect(200).map(drop)
}
