//! The cluster that `hack/e2e` prepared, with an installed operator. Tests use `kubectl` as its administrator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use uuid::Uuid;
use zot_tests::client::Client;
use zot_tests::tools::{Home, Printed};

/// When a test gives up: far more than a loaded machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_mins(3);
pub(crate) const OPERATOR: &str = "zot-operator-system";
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by `make e2e`"))
}

pub(crate) struct TestCluster {
    kubectl: PathBuf,
    kubeconfig: String,
    home: Home,
}

impl TestCluster {
    pub(crate) fn open() -> Self {
        Self { kubectl: variable("ZOT_E2E_KUBECTL").into(), kubeconfig: variable("KUBECONFIG"), home: Home::new() }
    }

    pub(crate) fn kubectl(&self) -> &std::path::Path {
        &self.kubectl
    }

    pub(crate) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The operator's binary, for tests that run their own operator.
    #[expect(clippy::unused_self, reason = "for symmetry with the other paths")]
    pub(crate) fn operator(&self) -> PathBuf {
        variable("ZOT_E2E_OPERATOR").into()
    }

    /// The servers' image of the installed operator.
    pub(crate) async fn server_image(&self) -> String {
        let deployment =
            self.get(&format!("-n {OPERATOR} deploy/zot-artifact-store-operator")).await.expect("it is installed");
        let env =
            deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        let image = env.iter().find(|it| it["name"] == "RELATED_IMAGE_ZOT_ARTIFACT_STORE").expect("the variable");
        image["value"].as_str().expect("an image").to_owned()
    }

    /// Runs kubectl with these arguments.
    pub(crate) async fn try_run(&self, words: &str, input: Option<&Value>) -> Printed {
        let run = self.home.command(&self.kubectl).env("KUBECONFIG", &self.kubeconfig).words(words);
        match input {
            Some(input) => run.input(&input.to_string()).run().await,
            None => run.run().await,
        }
    }

    pub(crate) async fn run(&self, words: &str) -> String {
        let printed = self.try_run(words, None).await;
        assert!(printed.status.success(), "{printed}");
        printed.stdout
    }

    pub(crate) async fn apply(&self, document: &Value) {
        let printed = self.try_run("apply -f -", Some(document)).await;
        assert!(printed.status.success(), "{printed}\n{document:#}");
    }

    /// The API server's refusal of a document.
    pub(crate) async fn refused(&self, document: &Value) -> String {
        let printed = self.try_run("apply --validate=strict -f -", Some(document)).await;
        assert!(!printed.status.success(), "accepted, but should be refused: {document:#}");
        printed.stderr
    }

    pub(crate) async fn get(&self, words: &str) -> Option<Value> {
        let printed = self.try_run(&format!("get {words} --ignore-not-found -o json"), None).await;
        assert!(printed.status.success() || printed.stderr.contains("NotFound"), "{printed}");
        serde_json::from_str(&printed.stdout).ok()
    }

    /// Creates a namespace for one test, at the level `restricted`.
    pub(crate) async fn space(&self) -> Space<'_> {
        let name = format!("zot-e2e-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted", "zot-e2e": "true" });
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        self.apply(&namespace).await;
        Space { cluster: self, name }
    }

    /// Scales the installed operator down, until the returned value is dropped.
    pub(crate) async fn scale_down(&self) -> ScaledDown<'_> {
        let scaled_down = ScaledDown { cluster: self };
        self.run(&format!("-n {OPERATOR} scale deploy/zot-artifact-store-operator --replicas=0")).await;
        let words =
            format!("-n {OPERATOR} wait --for=delete pod -l app.kubernetes.io/name=zot-artifact-store-operator");
        self.run(&format!("{words} --timeout=60s")).await;
        scaled_down
    }

    /// Installs a definition from a folder of `hack/tool`, as its project ships it.
    pub(crate) async fn define_of(&self, tool: &str, path: &str) {
        let file = zot_tests::tools::tool(tool).await.join(path);
        self.run(&format!("apply --server-side --force-conflicts -f {}", file.display())).await;
        self.run(&format!("wait --for=condition=Established -f {} --timeout=60s", file.display())).await;
    }

    /// Installs a definition without a schema, for kinds of operators that are not installed.
    pub(crate) async fn define(&self, group: &str, version: &str, kind: &str, plural: &str) {
        let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        self.apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": open } }],
            },
        }))
        .await;
        self.run(&format!("wait --for=condition=Established crd/{plural}.{group} --timeout=60s")).await;
    }
}

/// The installed operator has no replicas until this is dropped.
pub(crate) struct ScaledDown<'a> {
    cluster: &'a TestCluster,
}

impl Drop for ScaledDown<'_> {
    fn drop(&mut self) {
        let scale = ["-n", OPERATOR, "scale", "deploy/zot-artifact-store-operator", "--replicas=2"];
        let command = std::process::Command::new(&self.cluster.kubectl)
            .args(scale)
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .status();
        assert!(command.is_ok() || std::thread::panicking(), "the operator is still scaled down");
    }
}

pub(crate) struct Space<'a> {
    pub(crate) cluster: &'a TestCluster,
    pub(crate) name: String,
}

impl Space<'_> {
    pub(crate) fn store_document(&self, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "artifact.zotregistry.io/v1alpha1", "kind": "ZotArtifactStore",
            "metadata": { "name": name, "namespace": self.name }, "spec": spec,
        })
    }

    /// Applies a store.
    pub(crate) async fn store(&self, name: &str, spec: &Value) {
        self.cluster.apply(&self.store_document(name, spec)).await;
    }

    pub(crate) async fn run(&self, words: &str) -> String {
        self.cluster.run(&format!("-n {} {words}", self.name)).await
    }

    pub(crate) async fn get(&self, words: &str) -> Option<Value> {
        self.cluster.get(&format!("-n {} {words}", self.name)).await
    }

    pub(crate) async fn secret(&self, name: &str, values: &[(&str, &str)]) {
        let data: BTreeMap<&str, &str> = values.iter().copied().collect();
        let metadata = json!({ "name": name, "namespace": self.name });
        self.cluster
            .apply(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }))
            .await;
    }

    /// Waits until `holds` is true for an object, and returns the object.
    pub(crate) async fn until(&self, words: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.get(words).await.unwrap_or_default();
            if holds(&found) {
                return found;
            }
            if begun.elapsed() > DEADLINE {
                let events = self.run("get events --sort-by=.lastTimestamp").await;
                let pods = self.run("get pods -o wide").await;
                panic!("{what}: timeout; {words} is\n{found:#}\n{pods}\n{events}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until an object does not exist.
    pub(crate) async fn until_gone(&self, words: &str) {
        let begun = Instant::now();
        while self.get(words).await.is_some() {
            assert!(begun.elapsed() < DEADLINE, "{words} still exists");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for a condition of the newest generation of a store.
    pub(crate) async fn until_condition(&self, store: &str, kind: &str, status: &str, reason: &str) -> Value {
        let holds = |found: &Value| {
            let condition = condition(found, kind);
            condition["status"] == status
                && condition["reason"] == reason
                && condition["observedGeneration"] == found["metadata"]["generation"]
        };
        self.until(&format!("zas/{store}"), &format!("{kind}={status}/{reason}"), holds).await
    }

    pub(crate) async fn until_ready(&self, store: &str) -> Value {
        self.until_condition(store, "Ready", "True", "AllReplicasReady").await
    }

    /// A client of a store's Service, with the admin's key.
    pub(crate) async fn admin(&self, store: &str) -> Client {
        let secret = self.get(&format!("secret/{store}-admin")).await.expect("the administrator's Secret");
        let value = |key: &str| {
            let encoded = secret["data"][key].as_str().expect("a value");
            String::from_utf8(BASE64_STANDARD.decode(encoded).expect("base64")).expect("text")
        };
        Client::new(self.address(store).await, None).with_key(&value("access-key"), &value("secret-key"))
    }

    /// The address of a store's Service.
    pub(crate) async fn address(&self, store: &str) -> SocketAddr {
        let service = self.get(&format!("service/{store}")).await.expect("the Service");
        let address = service["spec"]["clusterIP"].as_str().expect("an address");
        let port = service["spec"]["ports"][0]["port"].as_u64().expect("a port");
        format!("{address}:{port}").parse().expect("an address")
    }

    /// A kubeconfig for an API server that needs no credentials.
    pub(crate) fn write_kubeconfig(&self, name: &str, server: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": server } }],
            "users": [{ "name": "test", "user": {} }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        });
        self.cluster.home.write(name, config.to_string())
    }

    /// Kinds and names of all objects that the operator created for a store.
    pub(crate) async fn created(&self, store: &str) -> Vec<String> {
        let kinds = "deploy,svc,cm,secret,sa,pvc,netpol,ingress,hpa,pdb";
        let label =
            format!("app.kubernetes.io/managed-by=zot-artifact-store-operator,app.kubernetes.io/instance={store}");
        let list = self.run(&format!("get {kinds} -l {label} -o name")).await;
        let mut names: Vec<String> = list.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    pub(crate) async fn events(&self, reason: &str) -> Vec<Value> {
        let list = self.get("events").await.unwrap_or_default();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().filter(|event| event["reason"] == reason).collect()
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        // nothing waits for the deletion
        let command = std::process::Command::new(&self.cluster.kubectl)
            .args(["delete", "namespace", &self.name, "--wait=false"])
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(command.is_ok() || std::thread::panicking(), "the namespace {} could not be deleted", self.name);
    }
}

/// A condition of a store, or null.
pub(crate) fn condition(store: &Value, kind: &str) -> Value {
    let conditions = store["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|it| it["type"] == kind).cloned().unwrap_or_default()
}

/// A port on the host through which pods reach a service on the host's loopback.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Relay {
    pub(crate) async fn to(upstream: SocketAddr) -> Self {
        Self::speaking(upstream, None).await
    }

    /// Adds TLS to a Postgres server that has none.
    pub(crate) async fn to_postgres_by_tls(upstream: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(["postgres".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions of TLS")
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .expect("a certificate with its key");
        Self::speaking(upstream, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn speaking(upstream: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let host = variable("ZOT_E2E_HOST");
        let listener =
            TcpListener::bind((host.as_str(), 0)).await.unwrap_or_else(|error| panic!("listening on {host}: {error}"));
        let address = listener.local_addr().expect("the listener's address");
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut is_cut, tls) = (is_cut.clone(), tls.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        // an error is a closed connection
                        _ = relay(client, upstream, tls) => {}
                        // the sender is gone after the relay was dropped
                        Ok(_) = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Closes all current and new connections, or accepts them again.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    let Some(tls) = tls else {
        copy_bidirectional(&mut client, &mut TcpStream::connect(upstream).await?).await?;
        return Ok(());
    };
    // an SSLRequest is accepted with `S` (PostgreSQL, "Message Formats")
    client.read_exact(&mut [0; 8]).await?;
    client.write_all(b"S").await?;
    let mut client = tls.accept(client).await?;
    copy_bidirectional(&mut client, &mut TcpStream::connect(upstream).await?).await?;
    Ok(())
}
