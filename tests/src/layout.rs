//! A small image as an OCI layout: a configuration and two layers of files, with no base from outside.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::client::{IMAGE_MANIFEST, digest};
use crate::tools::Home;

/// An image in a folder of [`Home`].
pub struct Layout {
    /// The folder.
    pub path: PathBuf,
    /// Digest of its manifest.
    pub digest: String,
    /// The manifest.
    pub manifest: Vec<u8>,
}

impl Layout {
    /// Makes the image in `home/name`, tagged `v1`, with files that carry `name` in them.
    pub async fn make(home: &Home, name: &str) -> Self {
        let path = home.path().join(name);
        let first = layer(home, name, "hello", &format!("hello from {name}\n")).await;
        let second = layer(home, name, "data", &format!("{name} ").repeat(20_000)).await;
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "config": { "Cmd": ["/hello"] },
            "rootfs": { "type": "layers", "diff_ids": [first.diff_id, second.diff_id] },
            "history": [{ "created_by": "first" }, { "created_by": "second" }],
        });
        let layers = [first.content, second.content].map(|content| descriptor(&path, LAYER, &content));
        let config = descriptor(&path, CONFIG, config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": layers });
        let manifest = manifest.to_string().into_bytes();
        let mut root = descriptor(&path, IMAGE_MANIFEST, &manifest);
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        std::fs::write(path.join("index.json"), index.to_string()).expect("writing the index");
        std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writing the marker");
        Self { digest: digest(&manifest), path, manifest }
    }
}

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

struct Layer {
    /// Digest of the tar archive before it is compressed.
    diff_id: String,
    content: Vec<u8>,
}

/// A layer with one file in the root folder.
async fn layer(home: &Home, image: &str, file: &str, content: &str) -> Layer {
    let folder = format!("{image}-{file}");
    home.write(&format!("{folder}/{file}"), content);
    let archive = format!("{folder}.tar");
    home.command("tar").words(&format!("--owner=0 --group=0 --mtime=@0 -cf {archive} -C {folder} {file}")).ok().await;
    let diff_id = digest(&home.read(&archive));
    home.command("gzip").words(&format!("-n {archive}")).ok().await;
    Layer { diff_id, content: home.read(format!("{archive}.gz")) }
}

/// Writes a blob into the layout and describes it.
fn descriptor(layout: &Path, media_type: &str, content: &[u8]) -> serde_json::Value {
    let digest = digest(content);
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("creating the layout");
    std::fs::write(blobs.join(digest.trim_start_matches("sha256:")), content).expect("writing a blob");
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}
