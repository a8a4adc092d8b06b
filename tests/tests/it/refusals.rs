//! Refusals before the request was read: the client must see the answer, not a broken connection.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::{READER, Server, Setup};

crate::on_both_backends!(a_large_chunk_at_a_wrong_offset_sees_416, a_large_blob_from_a_reader_sees_403);

/// Two chunks of a common size: more than socket buffers hold.
const LARGE: usize = 8 * 1024 * 1024;
/// Whether the client sees the answer is a race, so it is tried several times.
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

/// Else the first bytes of the next request would be read as that body (seen: `UT /bucket`, and a wrong signature).
#[tokio::test]
async fn a_client_that_kept_its_body_back_gets_no_further_request_on_the_connection() {
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_s3_port();
    let server = setup.start().await;
    for (address, request) in [
        (server.s3_address(), "PUT /nothing/key"),
        (server.address(), "PUT /s3/nothing/key"),
        (server.address(), "POST /v2/team/app/blobs/uploads/?digest=none"),
    ] {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        let head =
            format!("{request} HTTP/1.1\r\nHost: {address}\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        let mut reply = String::new();
        connection.read_to_string(&mut reply).await.expect("the answer, and the end of the connection");
        assert!(reply.starts_with("HTTP/1.1 4") && reply.contains("\r\nconnection: close\r\n"), "{reply}");
    }
}
