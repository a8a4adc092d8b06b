//! Without the lease, the client writes nothing.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Config};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::controller::client::of_controller;
use crate::lease::Fence;

/// An API server that accepts everything, and reports the methods of the requests.
async fn api_server() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (report, methods) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            report.send(text.split(' ').next().unwrap_or_default().to_owned()).unwrap();
            let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }).to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, methods)
}

#[tokio::test]
async fn nothing_is_written_without_the_lease() {
    let (address, mut methods) = api_server().await;
    let fence = Fence::default();
    let client = of_controller(Config::new(address.parse().unwrap()), Some(fence.clone())).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "team");
    let patch = Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap" }));
    let parameters = PatchParams::apply("test");
    // before the lease is won, and after it has expired
    for _ in 0..2 {
        maps.patch("a", &parameters, &patch).await.unwrap_err();
        maps.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err();
        let refused = maps.delete("a", &DeleteParams::default()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("LeaseLost"), "{refused:?}");
        maps.get("a").await.unwrap();
        assert_eq!(methods.recv().await.unwrap(), "GET");
        fence.open_until(Instant::now());
    }
    fence.open_until(Instant::now() + Duration::from_mins(1));
    maps.patch("a", &parameters, &patch).await.unwrap();
    assert_eq!(methods.recv().await.unwrap(), "PATCH");
    assert!(methods.try_recv().is_err());
}
