//! TLS with certificates from files. Changed files are reloaded without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// How often the files are checked.
const POLL: Duration = Duration::from_secs(5);

/// A certificate or key that cannot be used; the text names the file.
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
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let builder = match &files.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| failed(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            ServerConfig::builder().with_client_cert_verifier(verifier.map_err(|error| failed(path, &error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| failed(&files.cert, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(path, &error))?.collect();
    let certificates = certificates.map_err(|error| failed(path, &error))?;
    if certificates.is_empty() { Err(failed(path, &"it contains no certificate")) } else { Ok(certificates) }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError(format!("{}: {error}", path.display()))
}
