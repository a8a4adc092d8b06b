//! A client of a Kubernetes API server: namespaces, ServiceAccounts and their tokens.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Certificate, Identity, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::Reply;
use crate::services::further;

/// An API server, with the credentials of its administrator.
pub struct Kube {
    server: String,
    issuer: String,
    http: reqwest::Client,
    token: Option<String>,
    kubeconfig: PathBuf,
    ca_file: PathBuf,
    /// Holds the CA file, if the kubeconfig contains the certificate itself.
    _ca_folder: Option<TempDir>,
}

impl Kube {
    /// Returns the API server of the kubeconfig at `ZOT_TEST_KUBECONFIG`, or asks `hack/with-services` to start one. That one
    /// uses its own address as the issuer of its tokens, and everybody may read its discovery.
    pub async fn shared() -> Self {
        let [kubeconfig] = further("kubernetes", ["ZOT_TEST_KUBECONFIG"]).await.map(PathBuf::from);
        let config = Kubeconfig::read(&kubeconfig);
        let (ca_file, ca_folder) = config.ca_file();
        let root = Certificate::from_pem_bundle(&std::fs::read(&ca_file).expect("the CA file")).expect("certificates");
        let mut http = reqwest::Client::builder().tls_certs_only(root).no_proxy();
        if let Some(identity) = config.identity() {
            http = http.identity(identity);
        }
        let mut kube = Self {
            server: config.cluster["server"].as_str().expect("a server").trim_end_matches('/').to_owned(),
            issuer: String::new(),
            http: http.build().expect("an HTTP client"),
            token: config.user["token"].as_str().map(str::to_owned),
            kubeconfig,
            ca_file,
            _ca_folder: ca_folder,
        };
        let discovery =
            kube.send(Method::GET, "/.well-known/openid-configuration", None).await.expect_status(200).json();
        discovery["issuer"].as_str().expect("an issuer").clone_into(&mut kube.issuer);
        kube
    }

    /// Without a trailing slash.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The issuer of its service accounts' tokens: their `iss`, and the start of discovery.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The CA of the API server's certificate, a PEM file.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Creates a namespace for one test, and returns its name.
    pub async fn namespace(&self) -> String {
        let name = format!("zot-test-{}", Uuid::new_v4().simple());
        self.create("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await;
        name
    }

    /// Creates a service account and its namespace, if they are missing.
    pub async fn service_account(&self, namespace: &str, name: &str) {
        self.create("/api/v1/namespaces", &json!({ "metadata": { "name": namespace } })).await;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(&path, &json!({ "metadata": { "name": name } })).await;
    }

    /// A token like one that is projected into a pod. It is valid for at least ten minutes, because the API server issues none
    /// that is shorter.
    pub async fn token(&self, namespace: &str, name: &str, audiences: &[&str], expiration_secs: u64) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": expiration_secs },
        });
        let token = self.send(Method::POST, &path, Some(&request)).await.expect_status(201).json();
        token["status"]["token"].as_str().expect("a token").to_owned()
    }

    async fn create(&self, path: &str, body: &Value) {
        let reply = self.send(Method::POST, path, Some(body)).await;
        assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&reply.status), "{reply}");
    }

    /// Sends a request to a path of the API server.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::to(request).await
    }
}

/// The current context of a kubeconfig.
struct Kubeconfig {
    folder: PathBuf,
    cluster: Value,
    user: Value,
}

impl Kubeconfig {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let config: Value = serde_saphyr::from_str(&text).expect("a kubeconfig is YAML");
        let named = |list: &str, kind: &str, name: &Value| {
            let found = config[list].as_array().into_iter().flatten().find(|item| item["name"] == *name);
            found.unwrap_or_else(|| panic!("no {kind} {name} in {}", path.display()))[kind].clone()
        };
        let context = named("contexts", "context", &config["current-context"]);
        Self {
            folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
            cluster: named("clusters", "cluster", &context["cluster"]),
            user: named("users", "user", &context["user"]),
        }
    }

    fn ca_file(&self) -> (PathBuf, Option<TempDir>) {
        if let Some(path) = self.cluster["certificate-authority"].as_str() {
            return (self.folder.join(path), None);
        }
        let folder = tempfile::Builder::new().prefix("zot-kube-").tempdir().expect("a temporary folder");
        let file = folder.path().join("ca.crt");
        let pem = Self::content(&self.folder, &self.cluster, "certificate-authority").expect("a certificate-authority");
        std::fs::write(&file, pem).expect("writing the CA file");
        (file, Some(folder))
    }

    /// The client certificate and its key.
    fn identity(&self) -> Option<Identity> {
        let mut pem = Self::content(&self.folder, &self.user, "client-certificate")?;
        pem.push(b'\n');
        pem.extend(Self::content(&self.folder, &self.user, "client-key")?);
        Some(Identity::from_pem(&pem).expect("a certificate and its key"))
    }

    /// The decoded field `NAME-data`, or the contents of the file in the field `NAME`.
    fn content(folder: &Path, of: &Value, name: &str) -> Option<Vec<u8>> {
        if let Some(data) = of[format!("{name}-data")].as_str() {
            return Some(BASE64_STANDARD.decode(data).expect("base64"));
        }
        of[name].as_str().map(|path| std::fs::read(folder.join(path)).expect("a file of the kubeconfig"))
    }
}
