//! Lists of a bucket with many keys, a thousand in each folder.

use std::sync::Arc;

use async_trait::async_trait;

use super::objects::make_bucket;
use crate::content::{Body, mix};
use crate::error::Result;
use crate::http::{Connection, Take};
use crate::target::Target;
use crate::work::{Work, fill};

/// Keys of a folder, and of a page.
const PAGE: u64 = 1000;

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The next thousand keys after some key, in any folders.
    Behind,
    /// A whole folder, with `/` as delimiter.
    Folder,
}

/// Lists pages of a thousand keys.
pub(crate) struct List {
    /// How many keys there are.
    pub keys: u64,
    pub page: Page,
}

/// Puts the keys: tiny objects, as only their keys matter.
struct Keys;

fn key(number: u64) -> String {
    format!("list/{:04}/{:04}", number / PAGE, number % PAGE)
}

#[async_trait]
impl Work for Keys {
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let request = target.s3("PUT", &key(turn), "", target.content.body(64, turn));
        connection.exchange(&request, Take::Count).await?.expect(200)?;
        Ok(0)
    }
}

#[async_trait]
impl Work for List {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        make_bucket(target).await?;
        // both kinds of pages are of the same keys
        let last = target.s3("HEAD", &key(self.keys - 1), "", Body::default());
        match target.connect().await?.exchange(&last, Take::Count).await?.expect(200) {
            Ok(_) => Ok(()),
            Err(_) => fill(Keys, target, self.keys).await,
        }
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let folders = self.keys / PAGE;
        let (query, first) = match self.page {
            Page::Behind => {
                let start = mix(turn) % (self.keys - PAGE);
                (format!("list-type=2&prefix=list%2F&start-after={}", key(start).replace('/', "%2F")), key(start + 1))
            }
            Page::Folder => {
                let folder = mix(turn) % folders;
                (format!("delimiter=%2F&list-type=2&prefix=list%2F{folder:04}%2F"), key(folder * PAGE))
            }
        };
        let reply =
            connection.exchange(&target.s3("GET", "", &query, Body::default()), Take::Keep).await?.expect(200)?;
        let text = reply.text();
        let found = text.split_once("<Key>").and_then(|(_, rest)| rest.split_once("</Key>")).map(|(key, _)| key);
        if found != Some(&first) || text.matches("<Key>").count() as u64 != PAGE {
            return Err(reply.wrong(&format!("expected {PAGE} keys from {first} on")));
        }
        Ok(0)
    }
}
