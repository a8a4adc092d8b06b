//! The cluster that `hack/e2e` prepared: the operator is installed there, and `kubectl` speaks to it as its administrator.

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

/// Until a test gives up: far beyond what a loaded machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_mins(3);
pub(crate) const OPERATOR: &str = "zot-operator-system";
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by `make e2e`"))
}

/// The cluster.
pub(crate) struct Stand {
    kubectl: PathBuf,
    kubeconfig: String,
    home: Home,
}

impl Stand {
    pub(crate) fn open() -> Self {
        Self { kubectl: variable("ZOT_E2E_KUBECTL").into(), kubeconfig: variable("KUBECONFIG"), home: Home::new() }
    }

    pub(crate) fn kubectl(&self) -> &std::path::Path {
        &self.kubectl
    }

    pub(crate) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The operator's program, for those that a test runs itself.
    #[expect(clippy::unused_self, reason = "it is the stand's")]
    pub(crate) fn operator(&self) -> PathBuf {
        variable("ZOT_E2E_OPERATOR").into()
    }

    /// The servers' image, as the installed operator knows it.
    pub(crate) async fn server_image(&self) -> String {
        let deployment =
            self.get(&format!("-n {OPERATOR} deploy/zot-artifact-store-operator")).await.expect("it is installed");
        let env =
            deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        let image = env.iter().find(|it| it["name"] == "RELATED_IMAGE_ZOT_ARTIFACT_STORE").expect("the variable");
        image["value"].as_str().expect("an image").to_owned()
    }

    /// kubectl with these words.
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

    /// What the API server says against it.
    pub(crate) async fn refused(&self, document: &Value) -> String {
        let printed = self.try_run("apply --validate=strict -f -", Some(document)).await;
        assert!(!printed.status.success(), "taken, which it should not: {document:#}");
        printed.stderr
    }

    /// An object, or none.
    pub(crate) async fn get(&self, words: &str) -> Option<Value> {
        let printed = self.try_run(&format!("get {words} --ignore-not-found -o json"), None).await;
        assert!(printed.status.success() || printed.stderr.contains("NotFound"), "{printed}");
        serde_json::from_str(&printed.stdout).ok()
    }

    /// A namespace for one test, at the level `restricted`.
    pub(crate) async fn space(&self) -> Space<'_> {
        let name = format!("zot-e2e-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted", "zot-e2e": "true" });
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        self.apply(&namespace).await;
        Space { stand: self, name }
    }

    /// Sends the installed operator to rest, until what is returned is dropped.
    pub(crate) async fn rest(&self) -> Rest<'_> {
        let rest = Rest { stand: self };
        self.run(&format!("-n {OPERATOR} scale deploy/zot-artifact-store-operator --replicas=0")).await;
        let words =
            format!("-n {OPERATOR} wait --for=delete pod -l app.kubernetes.io/name=zot-artifact-store-operator");
        self.run(&format!("{words} --timeout=60s")).await;
        rest
    }

    /// A definition as its authors ship it: of a folder of `hack/tool`.
    pub(crate) async fn define_of(&self, tool: &str, path: &str) {
        let file = zot_tests::tools::tool(tool).await.join(path);
        self.run(&format!("apply --server-side --force-conflicts -f {}", file.display())).await;
        self.run(&format!("wait --for=condition=Established -f {} --timeout=60s", file.display())).await;
    }

    /// A definition that is nothing but a name: for kinds of operators that are not there.
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

/// The installed operator rests as long as this is there.
pub(crate) struct Rest<'a> {
    stand: &'a Stand,
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        let scale = ["-n", OPERATOR, "scale", "deploy/zot-artifact-store-operator", "--replicas=2"];
        let command = std::process::Command::new(&self.stand.kubectl)
            .args(scale)
            .env("KUBECONFIG", &self.stand.kubeconfig)
            .status();
        assert!(command.is_ok() || std::thread::panicking(), "the operator still rests");
    }
}

/// A namespace.
pub(crate) struct Space<'a> {
    pub(crate) stand: &'a Stand,
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
        self.stand.apply(&self.store_document(name, spec)).await;
    }

    pub(crate) async fn run(&self, words: &str) -> String {
        self.stand.run(&format!("-n {} {words}", self.name)).await
    }

    pub(crate) async fn get(&self, words: &str) -> Option<Value> {
        self.stand.get(&format!("-n {} {words}", self.name)).await
    }

    pub(crate) async fn secret(&self, name: &str, values: &[(&str, &str)]) {
        let data: BTreeMap<&str, &str> = values.iter().copied().collect();
        let metadata = json!({ "name": name, "namespace": self.name });
        self.stand
            .apply(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }))
            .await;
    }

    /// Waits until an object is as it should be, and returns it.
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
                panic!("{what}: never came; {words} is\n{found:#}\n{pods}\n{events}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it is gone.
    pub(crate) async fn until_gone(&self, words: &str) {
        let begun = Instant::now();
        while self.get(words).await.is_some() {
            assert!(begun.elapsed() < DEADLINE, "{words} does not go");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for a condition of a store, of its newest generation.
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

    /// The administrator's client of a store, at its Service.
    pub(crate) async fn admin(&self, store: &str) -> Client {
        let secret = self.get(&format!("secret/{store}-admin")).await.expect("the administrator's Secret");
        let value = |key: &str| {
            let encoded = secret["data"][key].as_str().expect("a value");
            String::from_utf8(BASE64_STANDARD.decode(encoded).expect("base64")).expect("text")
        };
        Client::new(self.address(store).await, None).with_key(&value("access-key"), &value("secret-key"))
    }

    /// Where a store's Service is.
    pub(crate) async fn address(&self, store: &str) -> SocketAddr {
        let service = self.get(&format!("service/{store}")).await.expect("the Service");
        let address = service["spec"]["clusterIP"].as_str().expect("an address");
        let port = service["spec"]["ports"][0]["port"].as_u64().expect("a port");
        format!("{address}:{port}").parse().expect("an address")
    }

    /// A kubeconfig of an API server that wants no credentials.
    pub(crate) fn write_kubeconfig(&self, name: &str, server: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": server } }],
            "users": [{ "name": "test", "user": {} }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        });
        self.stand.home.write(name, config.to_string())
    }

    /// Names of all objects that the operator made for a store, with their kinds.
    pub(crate) async fn made(&self, store: &str) -> Vec<String> {
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
        // in the background: nothing waits for it
        let command = std::process::Command::new(&self.stand.kubectl)
            .args(["delete", "namespace", &self.name, "--wait=false"])
            .env("KUBECONFIG", &self.stand.kubeconfig)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(command.is_ok() || std::thread::panicking(), "the namespace {} could not be deleted", self.name);
    }
}

/// A condition of a store; null if it has none of that type.
pub(crate) fn condition(store: &Value, kind: &str) -> Value {
    let conditions = store["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|it| it["type"] == kind).cloned().unwrap_or_default()
}

/// A port of the host by which pods reach what listens on its loopback.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Relay {
    pub(crate) async fn to(upstream: SocketAddr) -> Self {
        Self::speaking(upstream, None).await
    }

    /// To a server of Postgres that speaks no TLS, as one that does.
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
                        // an error is a side that went away
                        _ = relay(client, upstream, tls) => {}
                        // nobody can cut it when the relay was dropped
                        Ok(_) = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Ends all connections, and those that come; or lets them come again.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    let Some(tls) = tls else {
        copy_bidirectional(&mut client, &mut TcpStream::connect(upstream).await?).await?;
        return Ok(());
    };
    // SSLRequest, to which `S` is yes (PostgreSQL, "Message Formats")
    client.read_exact(&mut [0; 8]).await?;
    client.write_all(b"S").await?;
    let mut client = tls.accept(client).await?;
    copy_bidirectional(&mut client, &mut TcpStream::connect(upstream).await?).await?;
    Ok(())
}
