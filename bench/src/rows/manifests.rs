//! Manifests: push under new tags, and pull by tag.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::blobs::{Push, Way};
use crate::content::{Body, mix};
use crate::error::Result;
use crate::http::{Connection, Take};
use crate::target::Target;
use crate::work::{Work, fill};

/// The blobs of one of this many images are compared with the sent ones. Manifests always are.
const COMPARED: u64 = 16;
/// Media type of an image manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What images consist of. Manifests of the same blobs differ by an annotation.
#[derive(Clone)]
pub(crate) struct Image {
    /// Names the tags, and sets blobs apart from those of other rows.
    pub series: u64,
    /// Sets blobs apart from those of other images of the series.
    pub number: u64,
    /// Sizes of its layers in bytes. The first is the configuration.
    pub blobs: Vec<usize>,
}

/// Pushes manifests of an image under new tags.
#[derive(Clone)]
pub(crate) struct PushManifest(pub Image);

/// Pulls manifests by tag, one of `count` at a time.
#[derive(Clone)]
pub(crate) struct PullManifest {
    pub image: Image,
    /// How many there are.
    pub count: u64,
}

/// Pulls whole images, one of `count` at a time: the manifest by its tag, then each blob. An operation is an image.
#[derive(Clone)]
pub(crate) struct PullImage {
    pub image: Image,
    /// How many there are.
    pub count: u64,
}

impl Image {
    fn blob(&self, index: usize) -> Push {
        Push { size: self.blobs[index], way: Way::Put, series: self.series * 256 + index as u64 }
    }

    /// Its manifest of that turn, which differs from all others by an annotation.
    fn manifest(&self, target: &Target, turn: u64) -> String {
        let descriptor = |index: usize, kind: &str| {
            let digest = self.blob(index).digest(target, self.number);
            json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": self.blobs[index]})
        };
        let layers: Vec<_> = (1..self.blobs.len()).map(|index| descriptor(index, "layer.v1.tar+gzip")).collect();
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(0, "config.v1+json"),
            "layers": layers,
            "annotations": { "turn": format!("{:016x}", mix(turn)) },
        })
        .to_string()
    }

    fn path(&self, turn: u64) -> String {
        format!("manifests/s{}-t{turn:08}", self.series)
    }

    async fn push_blobs(&self, target: &Target) -> Result<()> {
        let mut connection = target.connect().await?;
        for index in 0..self.blobs.len() {
            self.blob(index).run(target, &mut connection, self.number).await?;
        }
        Ok(())
    }

    async fn push_manifest(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let manifest = Body::of(self.manifest(target, turn));
        let size = manifest.len() as u64;
        let headers = format!("content-type: {MANIFEST}\r\n");
        let request = target.oci("PUT", &self.path(turn), &headers, manifest);
        connection.exchange(&request, Take::Count).await?.expect(201)?;
        Ok(size)
    }

    async fn pull_manifest(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let expected = Body::of(self.manifest(target, turn));
        let headers = format!("accept: {MANIFEST}\r\n");
        let request = target.oci("GET", &self.path(turn), &headers, Body::default());
        let reply = connection.exchange(&request, Take::Compare(&expected)).await?;
        reply.expect(200)?.expect_length(expected.len())?;
        Ok(expected.len() as u64)
    }
}

#[async_trait]
impl Work for PushManifest {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        self.0.push_blobs(target).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        self.0.push_manifest(target, connection, turn).await
    }

    async fn check(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<()> {
        self.0.pull_manifest(target, connection, turn).await.map(drop)
    }
}

#[async_trait]
impl Work for PullManifest {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        self.image.push_blobs(target).await?;
        fill(PushManifest(self.image.clone()), target, self.count).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        self.image.pull_manifest(target, connection, mix(turn) % self.count).await
    }
}

#[async_trait]
impl Work for PullImage {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        fill(PushImage(self.image.clone()), target, self.count).await
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let number = mix(turn) % self.count;
        let image = Image { number, ..self.image.clone() };
        let mut moved = image.pull_manifest(target, connection, number).await?;
        for index in 0..image.blobs.len() {
            moved += image.blob(index).pull(target, connection, number, turn.is_multiple_of(COMPARED)).await?;
        }
        Ok(moved)
    }
}

/// Pushes whole images of their own, as a build does. An operation is an image.
pub(crate) struct PushImage(pub Image);

#[async_trait]
impl Work for PushImage {
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let image = Image { number: turn, ..self.0.clone() };
        let mut moved = 0;
        for index in 0..image.blobs.len() {
            moved += image.blob(index).run(target, connection, turn).await?;
        }
        Ok(moved + image.push_manifest(target, connection, turn).await?)
    }
}
