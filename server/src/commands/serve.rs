//! `serve`: opens the store, listens, and stops gracefully.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zot_gateway::Gateway;
use zot_gateway::listen::tls::{Files, Tls};
use zot_gateway::listen::{self, Service};
use zot_settings::{Loaded, LogFormat, Settings};

use crate::error::{Error, shown_url};
use crate::journal::Journal;
use crate::telemetry::{self, Logging};
use crate::wire::{self, Wired};
use crate::{jobs, options, storage};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn run(loaded: Loaded) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    telemetry::start(&Logging {
        level: settings.log.level.as_str(),
        json: settings.log.format == LogFormat::Json,
        output: settings.log.output.as_deref(),
    })?;
    warn(&loaded.warnings);
    warn(&options::warnings(&settings));
    let tls = open_tls(&settings)?;
    if let Some(path) = &settings.log.audit {
        // a file that cannot be written is reported first, so that no row is lost
        Journal::open(path)?;
    }
    let opened = storage::open(&settings).await?;
    warn(&opened.warnings);
    let wired = wire::wire(&settings, &opened, VERSION).await?;
    let listeners = Listeners::bind(&settings).await?;
    announce(&settings, &listeners)?;
    let stop = stop_at_signal(wired.gateway.clone())?;
    let jobs = jobs::start(&settings, &opened, &wired);
    answer_requests(listeners, wired, tls, stop).await;
    jobs.stop().await;
    opened.store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Returns when the last request after the signal to stop is answered.
async fn answer_requests(listeners: Listeners, wired: Wired, tls: Option<Arc<Tls>>, stop: watch::Receiver<bool>) {
    let service = |router| Service { router, tls: tls.clone(), metrics: Arc::clone(&wired.metrics) };
    let main = listen::serve(listeners.main, service(wired.router), stopped(stop.clone()));
    match listeners.s3.zip(wired.s3) {
        Some((listener, router)) => {
            let s3 = listen::serve(listener, service(router), stopped(stop));
            tokio::join!(main, s3);
        }
        None => main.await,
    }
}

fn open_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, Error> {
    let Some(tls) = &settings.http.tls else { return Ok(None) };
    let tls = Tls::open(tls_files(tls))?;
    tokio::spawn(Arc::clone(&tls).watch());
    Ok(Some(tls))
}

pub(super) fn tls_files(tls: &zot_settings::Tls) -> Files {
    Files { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.cacert.clone() }
}

/// Becomes true at the signal to stop.
fn stop_at_signal(gateway: Gateway) -> Result<watch::Receiver<bool>, Error> {
    let (signals, (stopping, stop)) = (Signals::new()?, watch::channel(false));
    tokio::spawn(async move {
        signals.wait().await;
        gateway.drain();
        stopping.send_replace(true);
    });
    Ok(stop)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // an error means that the sender was dropped, which also means stop
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Listeners {
    main: TcpListener,
    /// If the S3 API has its own port.
    s3: Option<TcpListener>,
}

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self, Error> {
        let main = bind(settings, settings.http.port, "http.port").await?;
        let s3api = &settings.extensions.s3api;
        let s3 = match s3api.port {
            port if s3api.enabled && port != 0 => Some(bind(settings, port, "extensions.s3api.port").await?),
            _ => None,
        };
        Ok(Self { main, s3 })
    }
}

async fn bind(settings: &Settings, port: u16, key: &'static str) -> Result<TcpListener, Error> {
    let host = settings.effective_address();
    let listen = |source| Error::Listen { address: format!("{host}:{port}"), key, source };
    TcpListener::bind((host, port)).await.map_err(listen)
}

fn announce(settings: &Settings, listeners: &Listeners) -> Result<(), Error> {
    let local = |listener: &TcpListener| {
        listener.local_addr().map_err(|source| Error::Listen { address: String::new(), key: "http.address", source })
    };
    let address = local(&listeners.main)?;
    let s3_address = listeners.s3.as_ref().map(local).transpose()?.map(|address| address.to_string());
    tracing::info!(
        %address,
        s3_address,
        version = VERSION,
        database = shown_url(&settings.effective_database_url()),
        access_control = settings.extensions.rbac.enabled,
        tls = settings.http.tls.is_some(),
        "listening"
    );
    Ok(())
}

/// SIGTERM and SIGINT. A second signal ends the process at once.
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
