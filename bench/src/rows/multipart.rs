//! Uploads in parts.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::objects::make_bucket;
use crate::content::Body;
use crate::error::{Error, Result};
use crate::http::{Connection, Take};
use crate::target::Target;
use crate::work::Work;

const IN_FLIGHT: usize = 8;

/// Uploads objects in parts; an operation is a whole upload.
pub(crate) struct Multipart {
    /// Parts of an object.
    pub parts: u64,
    /// Size of a part in bytes.
    pub size: usize,
}

#[async_trait]
impl Work for Multipart {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        make_bucket(target).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let key = format!("parts/{turn:08}");
        let request = target.s3("POST", &key, "uploads=", Body::default());
        let begun = connection.exchange(&request, Take::Keep).await?.expect(200)?;
        let text = begun.text();
        let id = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
        let id = id.map(|(id, _)| id).ok_or_else(|| begun.wrong("no upload id"))?.to_owned();
        let mut etags = Vec::new();
        let mut tasks = JoinSet::new();
        for first in 0..IN_FLIGHT as u64 {
            let mut requests = Vec::new();
            for number in (first..self.parts).step_by(IN_FLIGHT) {
                let query = format!("partNumber={}&uploadId={id}", number + 1);
                let body = target.content.body(self.size, turn * self.parts + number);
                requests.push((number, target.s3("PUT", &key, &query, body)));
            }
            let mut connection = target.connect().await?;
            tasks.spawn(async move {
                let mut etags = Vec::new();
                for (number, request) in requests {
                    let reply = connection.exchange(&request, Take::Count).await?.expect(200)?;
                    etags.push((number, reply.header("etag")?.to_owned()));
                }
                Ok::<_, Error>(etags)
            });
        }
        while let Some(done) = tasks.join_next().await {
            etags.extend(done.map_err(|error| Error::Setup(format!("a part: {error}")))??);
        }
        etags.sort_unstable();
        let complete = target.s3("POST", &key, &format!("uploadId={id}"), Body::of(completion(&etags)));
        let reply = connection.exchange(&complete, Take::Keep).await?.expect(200)?;
        // this operation can fail with 200
        if !reply.text().contains("<ETag>") {
            return Err(reply.wrong("expected an ETag"));
        }
        Ok(self.parts * self.size as u64)
    }

    async fn check(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<()> {
        let key = format!("parts/{turn:08}");
        let whole =
            connection.exchange(&target.s3("HEAD", &key, "", Body::default()), Take::Count).await?.expect(200)?;
        if whole.header("content-length")? != (self.parts * self.size as u64).to_string() {
            return Err(whole.wrong("expected the size of all parts"));
        }
        let last = self.parts - 1;
        let mut request = target.s3("GET", &key, "", Body::default());
        let _ = write!(request.headers, "range: bytes={}-\r\n", last * self.size as u64);
        let expected = target.content.body(self.size, turn * self.parts + last);
        let reply = connection.exchange(&request, Take::Compare(&expected)).await?;
        reply.expect(206)?.expect_length(self.size).map(drop)
    }
}

fn completion(etags: &[(u64, String)]) -> String {
    let parts = etags.iter().fold(String::new(), |mut text, (number, etag)| {
        let _ = write!(text, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1);
        text
    });
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}
