//! What runs long: `make soak`. How long says `ZOT_SOAK_SECONDS`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zot_tests::client::{Client, IMAGE_MANIFEST, Reply, digest};
use zot_tests::cluster::{Cluster, REPLICAS};

/// Clients that push at the same time.
const WRITERS: usize = 4;
/// Between two crashes.
const CALM: Duration = Duration::from_secs(4);

/// Manifest digests by `repository:tag`.
type Acknowledged = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for ZOT_SOAK_SECONDS, by default 10 minutes: make soak"]
async fn soak_replicas_that_are_killed_lose_nothing_that_was_acknowledged() {
    let seconds = std::env::var("ZOT_SOAK_SECONDS").map_or(600, |text| text.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut cluster = Cluster::guarded().await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(cluster.client(), writer, until));
    }
    let mut crashes = 0;
    while Instant::now() < until {
        sleep(CALM).await;
        cluster.kill(crashes % REPLICAS);
        sleep(CALM / 4).await;
        cluster.restart(crashes % REPLICAS).await;
        crashes += 1;
    }
    let mut acknowledged = Acknowledged::new();
    let mut failed = 0;
    while let Some(written) = writers.join_next().await {
        let (pushes, failures) = written.expect("a writer does not panic");
        acknowledged.extend(pushes);
        failed += failures;
    }
    println!("soak: {crashes} crashes, {} pushes acknowledged, {failed} requests failed", acknowledged.len());
    assert!(!acknowledged.is_empty(), "nothing was pushed");
    verify(&cluster.client(), &acknowledged).await;
}

/// Pushes images until the time is over. A request may fail when its replica is killed; then the push is tried anew.
async fn write(client: Client, writer: usize, until: Instant) -> (Acknowledged, usize) {
    let (mut acknowledged, mut failed) = (Acknowledged::new(), 0);
    let mut push = 0;
    while Instant::now() < until {
        push += 1;
        // small ones live in the database, large ones in the bucket; some layers are shared between writers
        let size = if push % 3 == 0 { 300_000 } else { 2_000 };
        let layer = format!("{}-{push} ", if push % 5 == 0 { 0 } else { writer }).repeat(size / 8);
        let (repository, tag) = (format!("soak/writer-{writer}"), format!("v{push}"));
        match try_push(&client, &repository, &tag, layer.into_bytes()).await {
            Ok(digest) => drop(acknowledged.insert(format!("{repository}:{tag}"), digest)),
            Err(_) => failed += 1,
        }
    }
    (acknowledged, failed)
}

async fn try_push(client: &Client, repository: &str, tag: &str, layer: Vec<u8>) -> Result<String, String> {
    let size = layer.len();
    let layer = try_push_blob(client, repository, layer).await?;
    let config = try_push_blob(client, repository, b"{}".to_vec()).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": size }],
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = digest(&manifest);
    let put = client.request(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"));
    created(put.header("content-type", IMAGE_MANIFEST).body(manifest)).await?;
    Ok(digest)
}

async fn try_push_blob(client: &Client, repository: &str, content: Vec<u8>) -> Result<String, String> {
    let digest = digest(&content);
    let post = client.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/?digest={digest}"));
    created(post.header("content-type", "application/octet-stream").body(content)).await?;
    Ok(digest)
}

/// The answer must be 201. What a dying replica or the load may cause instead is an error; anything else is a fault.
async fn created(request: reqwest::RequestBuilder) -> Result<(), String> {
    let reply = Reply::try_to(request).await?;
    let status = reply.status.as_u16();
    assert!(matches!(status, 201 | 502 | 503), "{reply}");
    if status == 201 { Ok(()) } else { Err(reply.to_string()) }
}

/// Everything acknowledged is there, whole.
async fn verify(client: &Client, acknowledged: &Acknowledged) {
    for (name, pushed) in acknowledged {
        let (repository, tag) = name.rsplit_once(':').expect("repository:tag");
        let manifest = client.get_manifest(repository, tag).await.expect_status(200);
        assert_eq!(&digest(&manifest.body), pushed, "{name}");
        let layer = manifest.json()["layers"][0]["digest"].as_str().expect("a layer").to_owned();
        assert_eq!(digest(&client.get_blob(repository, &layer).await.expect_status(200).body), layer, "{name}");
    }
}
