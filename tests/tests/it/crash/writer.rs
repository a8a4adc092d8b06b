//! A client that pushes, puts, overwrites and deletes its own content, and records what was acknowledged. It shares its
//! layers with the other writers, so that the store keeps them once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::json;
use zot_tests::client::{Client, IMAGE_MANIFEST, Reply, digest};

use super::model::Model;

/// Names of each kind that a writer uses, over and over.
const NAMES: usize = 12;

/// A write that got no clear answer.
struct NoAnswer;

pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) id: usize,
    pub(super) model: Model,
    pub(super) step: usize,
}

impl Writer {
    /// Writes until told to stop.
    pub(super) async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            self.step += 1;
            let n = self.step;
            match n % 8 {
                0 | 1 => self.push_image(n).await,
                2 => self.delete("image").await,
                3..=5 => self.put_object(n).await,
                6 => self.put_in_parts(n).await,
                _ => self.delete("object").await,
            }
        }
        self
    }

    /// Small ones live in the database, large ones in the storage; every third is the same for all writers.
    fn content(&self, n: usize) -> Vec<u8> {
        let size = if n.is_multiple_of(2) { 40_000 } else { 2_000 };
        let owner = if n.is_multiple_of(3) { 99 } else { self.id };
        format!("{owner}-{} ", n / 3 % 40).into_bytes().into_iter().cycle().take(size).collect()
    }

    async fn push_image(&mut self, n: usize) {
        let name = format!("image crash/w{} v{}", self.id, n % NAMES);
        let (repository, tag) = parts_of(&name);
        let layer = self.content(n);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2 },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len(),
            }],
            "annotations": { "step": format!("{}-{n}", self.id) },
        });
        let manifest = manifest.to_string().into_bytes();
        let pushed = digest(&manifest);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(&layer));
        if self.send(Method::POST, &path, layer, &[201]).await.is_err() {
            return;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        let outcome = self.send(Method::PUT, &path, manifest, &[201]).await;
        self.note(&name, &outcome, Some(pushed));
    }

    async fn put_object(&mut self, n: usize) {
        let name = format!("object crash w{}/o{}", self.id, n % NAMES);
        let content = self.content(n);
        let hash = digest(&content);
        let outcome = self.send(Method::PUT, &path_of(&name), content, &[200]).await;
        self.note(&name, &outcome, Some(hash));
    }

    async fn put_in_parts(&mut self, n: usize) {
        let name = format!("object crash w{}/p{}", self.id, n % 3);
        let path = path_of(&name);
        let begun = self.client.request(Method::POST, &format!("{path}?uploads"));
        let Ok(begun) = Reply::try_to(begun).await else { return };
        let text = String::from_utf8_lossy(&begun.body).into_owned();
        let Some(id) = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()) else { return };
        let parts = [vec![b'a'; 5 * 1024 * 1024], self.content(n)];
        let mut list = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let number = index + 1;
            let put = self.client.request(Method::PUT, &format!("{path}?partNumber={number}&uploadId={id}"));
            let Ok(reply) = Reply::try_to(put.body(part.clone())).await else { return };
            let Some(etag) = reply.headers.get("etag").and_then(|etag| etag.to_str().ok()) else { return };
            list.push(format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", list.concat()).into_bytes();
        let outcome = self.send(Method::POST, &format!("{path}?uploadId={id}"), body, &[200]).await;
        self.note(&name, &outcome, Some(digest(&parts.concat())));
    }

    async fn delete(&mut self, kind: &str) {
        let Some(name) = self.model.existing(self.step).filter(|name| name.starts_with(kind)) else { return };
        let outcome = self.send(Method::DELETE, &path_of(&name), Vec::new(), &[202, 204, 404]).await;
        self.note(&name, &outcome, None);
    }

    fn note(&mut self, name: &str, outcome: &Result<(), NoAnswer>, content: Option<String>) {
        match outcome {
            Ok(()) => self.model.done(name, content),
            Err(NoAnswer) => self.model.maybe(name, content),
        }
    }

    /// A dying replica may give no answer, or say that it cannot. A layer whose manifest comes hours later, as time passes
    /// here, may be gone by then: 404. Anything else is a fault.
    async fn send(&self, method: Method, path: &str, body: Vec<u8>, good: &[u16]) -> Result<(), NoAnswer> {
        let request = self.client.request(method, path).header("content-type", IMAGE_MANIFEST).body(body);
        let Ok(reply) = Reply::try_to(request).await else { return Err(NoAnswer) };
        let status = reply.status.as_u16();
        assert!(good.contains(&status) || matches!(status, 404 | 503), "{reply}");
        if good.contains(&status) { Ok(()) } else { Err(NoAnswer) }
    }
}

/// Where a name is read and deleted.
pub(super) fn path_of(name: &str) -> String {
    let (space, item) = parts_of(name);
    if name.starts_with("image") { format!("/v2/{space}/manifests/{item}") } else { format!("/s3/{space}/{item}") }
}

/// Repository and tag, or bucket and key.
fn parts_of(name: &str) -> (String, String) {
    let mut words = name.split(' ').skip(1).map(ToOwned::to_owned);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}
