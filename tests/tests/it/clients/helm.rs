//! `helm`: charts in the registry.

use zot_tests::backend::Backend;
use zot_tests::client::{Credentials, digest};
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, tool};

crate::on_both_backends!(pulls_the_very_chart_that_it_pushed);

async fn pulls_the_very_chart_that_it_pushed(backend: Backend) {
    let server = Server::guarded(backend).await;
    let (home, program, host) = (Home::new(), tool("helm").await, server.address().to_string());
    let helm = |words: &str| home.command(&program).words(words);
    let login = |key: Credentials| {
        helm(&format!("registry login --plain-http --username {} --password-stdin {host}", key.id)).input(key.secret)
    };
    helm("create demo").ok().await;
    helm("package demo --version 1.2.3").ok().await;

    login(READER).ok().await;
    helm(&format!("push --plain-http demo-1.2.3.tgz oci://{host}/charts")).fails().await;
    login(ADMIN).ok().await;
    helm(&format!("push --plain-http demo-1.2.3.tgz oci://{host}/charts")).ok().await;

    login(READER).ok().await;
    home.write("out/.keep", "");
    helm(&format!("pull --plain-http oci://{host}/charts/demo --version 1.2.3 --destination out")).ok().await;
    assert_eq!(digest(&home.read("out/demo-1.2.3.tgz")), digest(&home.read("demo-1.2.3.tgz")));
    let shown = helm(&format!("show chart --plain-http oci://{host}/charts/demo --version 1.2.3")).ok().await;
    assert!(shown.stdout.contains("version: 1.2.3"), "{shown}");
}
