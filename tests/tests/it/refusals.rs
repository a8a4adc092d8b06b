//! Refusals that come before the request has been read: the client must see the answer, not a broken connection.

use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::{READER, Server};

crate::on_both_backends!(a_large_chunk_at_a_wrong_offset_sees_416, a_large_blob_from_a_reader_sees_403);

/// Two chunks of a common size: more than socket buffers hold.
const LARGE: usize = 8 * 1024 * 1024;
/// Whether the answer is seen is a race between two ends of a connection: one try proves little.
const TRIES: usize = 10;

async fn a_large_chunk_at_a_wrong_offset_sees_416(backend: Backend) {
    let server = Server::open(backend).await;
    let client = server.client();
    let location = client.begin_upload("team/app").await;
    for _ in 0..TRIES {
        let reply = client.append_upload(&location, 1_000_000, vec![1; LARGE]).await.expect_status(416);
        assert_eq!(reply.header("location").rsplit('/').next(), location.rsplit('/').next());
    }
}

async fn a_large_blob_from_a_reader_sees_403(backend: Backend) {
    let server = Server::guarded(backend).await;
    let reader = server.client().with(Some(READER));
    for _ in 0..TRIES {
        let digest = format!("sha256:{}", "0".repeat(64));
        let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
        let push = reader.request(reqwest::Method::POST, &path).header("content-type", "application/octet-stream");
        Reply::to(push.body(vec![1; LARGE])).await.expect_error(403, "DENIED");
    }
}
