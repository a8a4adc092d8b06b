//! `serve`: opens the store, listens, and stops gracefully.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zot_settings::{Loaded, LogFormat, Settings};

use crate::error::Error;
use crate::listen::tls::{Files, Tls};
use crate::listen::{self, Service};
use crate::telemetry::{self, Logging};
use crate::wire;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn run(loaded: Loaded) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    telemetry::start(&Logging {
        level: settings.log.level.as_str(),
        json: settings.log.format == LogFormat::Json,
        output: settings.log.output.as_deref(),
    })?;
    for warning in loaded.warnings.iter().chain(&wire::warnings(&settings)) {
        tracing::warn!("{warning}");
    }
    let tls = open_tls(&settings)?;
    let opened = wire::open(&settings).await?;
    let (app, metrics) = wire::app(&settings, &opened, VERSION).await?;
    let listener = bind(&settings).await?;
    announce(&settings, &listener)?;
    let stop = {
        let app = app.clone();
        let signals = Signals::new()?;
        async move {
            signals.wait().await;
            app.drain();
        }
    };
    listen::serve(listener, Service { router: zot_http::router(app), tls, metrics }, stop).await;
    opened.store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn open_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, Error> {
    let Some(tls) = &settings.http.tls else { return Ok(None) };
    let files = Files { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.cacert.clone() };
    let tls = Tls::open(files)?;
    tokio::spawn(Arc::clone(&tls).watch());
    Ok(Some(tls))
}

async fn bind(settings: &Settings) -> Result<TcpListener, Error> {
    let (host, port) = (settings.effective_address(), settings.http.port);
    let listen = |source| Error::Listen { address: format!("{host}:{port}"), source };
    TcpListener::bind((host, port)).await.map_err(listen)
}

fn announce(settings: &Settings, listener: &TcpListener) -> Result<(), Error> {
    let address = listener.local_addr().map_err(|source| Error::Listen { address: String::new(), source })?;
    tracing::info!(
        %address,
        version = VERSION,
        database = wire::shown_url(&settings.effective_database_url()),
        access_control = settings.extensions.rbac.enabled,
        tls = settings.http.tls.is_some(),
        "listening"
    );
    Ok(())
}

/// SIGTERM and SIGINT. A second one ends the process at once.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(|error| Error::Refused(format!("cannot wait for signals: {error}")));
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}
