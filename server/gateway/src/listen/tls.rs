//! TLS with certificates from files. Changed files are reloaded without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// How often the files are checked.
const POLL: Duration = Duration::from_secs(5);

/// Configuration keys of the files.
const CERT: &str = "http.tls.cert";
const KEY: &str = "http.tls.key";
const CLIENT_CA: &str = "http.tls.cacert";

/// A certificate or key that cannot be used; the text names the configuration key and the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate chain.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Clients must have a certificate of one of these authorities.
    pub client_ca: Option<PathBuf>,
}

pub struct Tls {
    config: ArcSwap<ServerConfig>,
    files: Files,
}

impl Tls {
    pub fn open(files: Files) -> Result<Arc<Self>, TlsError> {
        let config = load(&files)?;
        Ok(Arc::new(Self { config: ArcSwap::from_pointee(config), files }))
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reloads changed files while the server runs. If new files cannot be used, the old ones stay in force.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.files.changed();
        loop {
            tokio::time::sleep(POLL).await;
            let now = self.files.changed();
            if now == seen {
                continue;
            }
            match load(&self.files) {
                Ok(config) => {
                    self.config.store(Arc::new(config));
                    seen = now;
                    tracing::info!("certificates were reloaded");
                }
                // tried again at the next check: key and certificate are rarely replaced at the same moment
                Err(error) => tracing::warn!(%error, "changed certificates cannot be used; the old ones stay"),
            }
        }
    }
}

impl Files {
    /// When each file last changed. Kubernetes swaps a link, which this detects too.
    fn changed(&self) -> Vec<Option<SystemTime>> {
        let files = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok()).collect()
    }
}

fn load(files: &Files) -> Result<ServerConfig, TlsError> {
    let chain = certificates(CERT, &files.cert)?;
    let key = private_key(&files.key)?;
    let builder = match &files.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(CLIENT_CA, path)? {
                roots.add(certificate).map_err(|error| failed(CLIENT_CA, path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            ServerConfig::builder()
                .with_client_cert_verifier(verifier.map_err(|error| failed(CLIENT_CA, path, &error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unusable(files, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(name, path, &error))?.collect();
    let certificates = certificates.map_err(|error| failed(name, path, &error))?;
    if !certificates.is_empty() {
        return Ok(certificates);
    }
    let is_key = PrivateKeyDer::from_pem_file(path).is_ok();
    let why = if is_key { "it contains a private key, not a certificate" } else { "it contains no certificate in PEM" };
    Err(failed(name, path, &why))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        Error::NoItemsFound if certificates(KEY, path).is_ok() => {
            failed(KEY, path, &"it contains a certificate, not a private key")
        }
        Error::NoItemsFound => failed(KEY, path, &"it contains no private key in PEM"),
        error => failed(KEY, path, &error),
    })
}

/// A certificate and key that do not work together.
fn unusable(files: &Files, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let why = format!("it is not the key of the certificate in {CERT} {}", files.cert.display());
            failed(KEY, &files.key, &why)
        }
        rustls::Error::InvalidCertificate(_) => failed(CERT, &files.cert, error),
        error => failed(KEY, &files.key, error),
    }
}

/// `name` is the configuration key of the file.
fn failed(name: &str, path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError(format!("{name}: {}: {error}; correct {name} or the file", path.display()))
}
