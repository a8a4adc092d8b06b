//! TLS: serving it, reloading it without a restart, and client certificates.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, Identity};
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::Setup;
use zot_tests::tools::Home;

/// An authority, and certificates of it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key for a name.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }

    fn client(&self) -> reqwest::ClientBuilder {
        let root = Certificate::from_pem(self.pem.as_bytes()).expect("a root");
        Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0)
    }
}

fn write(home: &Home, (cert, key): &(String, String)) {
    home.write("tls.crt", cert);
    home.write("tls.key", key);
}

async fn setup(home: &Home) -> Setup {
    let path = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let storage = Backend::SqliteDisk.fresh().await;
    Setup::on(&storage).set("http.tls.cert", path("tls.crt")).set("http.tls.key", path("tls.key"))
}

fn url(address: std::net::SocketAddr) -> String {
    format!("https://localhost:{}/v2/", address.port())
}

#[tokio::test]
async fn a_changed_certificate_is_served_without_a_restart() {
    let (home, first, second) = (Home::new(), Authority::new(), Authority::new());
    write(&home, &first.issue("localhost"));
    let server = setup(&home).await.with_s3_port().start_listening().await;
    let address = server.address();
    let (old, new) = (first.client().build().expect("a client"), second.client().build().expect("a client"));
    assert_eq!(old.get(url(address)).send().await.expect("a response").status(), 200);
    assert!(new.get(url(address)).send().await.is_err());
    // first something that cannot be used: the old one stays
    home.write("tls.crt", "no certificate");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(old.get(url(address)).send().await.expect("a response").status(), 200);
    write(&home, &second.issue("localhost"));
    let start = Instant::now();
    while new.get(url(address)).send().await.is_err() {
        assert!(start.elapsed() < zot_tests::DEADLINE, "the new certificate is never served");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn over_http_2_the_challenge_names_the_port_too() {
    let (home, authority) = (Home::new(), Authority::new());
    write(&home, &authority.issue("localhost"));
    let server = setup(&home).await.with_access_control().start_listening().await;
    let response =
        authority.client().build().expect("a client").get(url(server.address())).send().await.expect("a response");
    let challenge = response.headers()["www-authenticate"].to_str().expect("text");
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert!(challenge.contains(&format!("https://localhost:{}/auth/token", server.address().port())), "{challenge}");
}

#[tokio::test]
async fn clients_need_a_certificate_of_the_authority() {
    let (home, authority, stranger) = (Home::new(), Authority::new(), Authority::new());
    write(&home, &authority.issue("localhost"));
    let ca = home.write("ca.crt", &authority.pem);
    let setup = setup(&home).await.set("http.tls.cacert", ca.to_string_lossy().into_owned());
    let server = setup.start_listening().await;
    let address = server.address();
    let identity = |authority: &Authority| {
        let (cert, key) = authority.issue("client");
        Identity::from_pem(format!("{key}{cert}").as_bytes()).expect("an identity")
    };
    let known = authority.client().identity(identity(&authority)).build().expect("a client");
    assert_eq!(known.get(url(address)).send().await.expect("a response").status(), 200);
    let unknown = authority.client().identity(identity(&stranger)).build().expect("a client");
    assert!(unknown.get(url(address)).send().await.is_err());
    assert!(authority.client().build().expect("a client").get(url(address)).send().await.is_err());
}

/// A store whose blobs are behind TLS with a certificate of nobody: here another store's S3 API.
#[tokio::test]
async fn a_backend_of_unknown_certificate_is_taken_only_when_told() {
    let (home, authority) = (Home::new(), Authority::new());
    write(&home, &authority.issue("localhost"));
    let backend = setup(&home).await.with_s3_port().start_listening().await;
    let address = backend.s3_address();
    let client = authority.client().build().expect("a client");
    let made = client.put(format!("https://localhost:{}/blobs", address.port())).send().await.expect("a response");
    assert_eq!(made.status(), 200);
    let storage = Backend::SqliteDisk.fresh().await;
    let mut driver = serde_json::json!({
        "name": "s3", "bucket": "blobs", "endpoint": format!("https://localhost:{}", address.port()),
        "accesskey": zot_tests::server::ADMIN.id, "secretkey": zot_tests::server::ADMIN.secret,
    });
    let refused = Setup::on(&storage).set("storage.storageDriver", driver.clone()).start_refused().await;
    assert!(refused.contains("storageDriver"), "{refused}");
    driver["skipverify"] = true.into();
    let server = Setup::on(&storage).set("storage.storageDriver", driver).start().await;
    let digest = server.client().push_blob("team/app", vec![9; 100_000]).await;
    server.client().get_blob("team/app", &digest).await.expect_status(200);
}

/// Where a proxy that is trusted speaks TLS for the server, clients are sent to `https` for their tokens.
#[tokio::test]
async fn behind_a_proxy_that_speaks_tls_tokens_are_at_https() {
    let fresh = async || Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
    let trusting = fresh().await.set("http.trustedProxies", serde_json::json!(["127.0.0.1"]));
    for (setup, scheme) in [(trusting, "https"), (fresh().await, "http")] {
        let server = setup.start().await;
        let nobody = server.client().with(None);
        let ask = |path: &str| {
            let request = nobody.request(reqwest::Method::GET, path).header("host", "store.example.com");
            Reply::to(request.header("x-forwarded-proto", "https").header("x-forwarded-for", "192.0.2.7"))
        };
        let challenged = ask("/v2/").await.expect_status(401);
        let realm = format!("realm=\"{scheme}://store.example.com/auth/token\"");
        assert!(challenged.header("www-authenticate").contains(&realm), "{challenged}");
        let login = ask("/api/v1/auth").await.expect_status(200).json();
        assert_eq!(login["tokenEndpoint"], format!("{scheme}://store.example.com/auth/token"), "{login}");
    }
}
