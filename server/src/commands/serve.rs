//! `serve`: opens the store, listens, and stops gracefully.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zot_gateway::Gateway;
use zot_gateway::listen::tls::{Files, Tls};
use zot_gateway::listen::{self, Service};
use zot_settings::{Loaded, LogFormat, Settings};
use zot_store::Store;

use crate::background;
use crate::error::{Error, shown_url};
use crate::journal::Journal;
use crate::telemetry::{self, Logging};
use crate::wire::{self, Wired};
use crate::{options, storage};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn run(loaded: Loaded) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    telemetry::start(&Logging {
        level: settings.log.level.as_str(),
        json: settings.log.format == LogFormat::Json,
        output: settings.log.output.as_deref(),
    })?;
    for warning in loaded.warnings.iter().chain(&options::warnings(&settings)) {
        tracing::warn!("{warning}");
    }
    let tls = open_tls(&settings)?;
    if let Some(path) = &settings.log.audit {
        // a file that cannot be written is said before anything is done that should be in it
        Journal::open(path)?;
    }
    let opened = storage::open(&settings).await?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    let wired = wire::wire(&settings, &opened, VERSION).await?;
    let listener = bind(&settings, settings.http.port, "http.port").await?;
    let s3_listener = match &wired.s3 {
        Some(_) if settings.extensions.s3api.port != 0 => {
            Some(bind(&settings, settings.extensions.s3api.port, "extensions.s3api.port").await?)
        }
        _ => None,
    };
    announce(&settings, &listener, s3_listener.as_ref())?;
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(wait_for_signal(Signals::new()?, wired.gateway.clone(), stopping));
    let mut tasks = JoinSet::new();
    let identity = Arc::clone(&wired.identity);
    tasks.spawn(background::kept_up("following policies", move || background::follow(Arc::clone(&identity))));
    let (queue, changes) = (wired.decision_queue.clone(), Arc::new(opened.store.clone()));
    keep_the_audit_trail(&settings, &wired, &changes, &mut tasks);
    // a store that nobody may change does not change by itself
    if !settings.http.read_only {
        let (identity, accounts) = (Arc::clone(&wired.identity), wired.accounts.clone());
        let (origin, notes) = (wired.masters.clone(), wired.notes.clone());
        let keep =
            move || background::keep_keys(Arc::clone(&identity), accounts.clone(), origin.clone(), notes.clone());
        tasks.spawn(background::kept_up("keeping keys", keep));
        let (buckets, store) = (wired.buckets.clone(), Arc::clone(&changes));
        tasks.spawn(background::kept_up("sealing", move || background::seal(buckets.clone(), Arc::clone(&store) as _)));
        if settings.storage.gc {
            let collector = wire::collector(&settings, &opened, wire::ORPHAN_AGE);
            let (watched, notes) = (collector.clone(), wired.notes.clone());
            let watch = move || background::watch_deletion(watched.clone(), notes.clone());
            tasks.spawn(background::kept_up("watching deletion", watch));
            let (interval, metrics) = (settings.storage.gc_interval.0, Arc::clone(&wired.metrics));
            let collect = move || background::collect(collector.clone(), interval, Arc::clone(&metrics));
            tasks.spawn(background::kept_up("garbage collection", collect));
        }
    }
    let service = |router| Service { router, tls: tls.clone(), metrics: Arc::clone(&wired.metrics) };
    let main = listen::serve(listener, service(wired.router), stopped(stop.clone()));
    match s3_listener.zip(wired.s3) {
        Some((listener, router)) => {
            let s3 = listen::serve(listener, service(router), stopped(stop));
            tokio::join!(main, s3);
        }
        None => main.await,
    }
    tasks.shutdown().await;
    background::audit::record_the_rest(&queue, &*changes).await;
    opened.store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Also of a store that nobody may change: reads are recorded there too.
fn keep_the_audit_trail(settings: &Settings, wired: &Wired, changes: &Arc<Store>, tasks: &mut JoinSet<()>) {
    let (queue, store, notes) = (wired.decision_queue.clone(), Arc::clone(changes), wired.notes.clone());
    let record = move || background::audit::record(queue.clone(), Arc::clone(&store) as _, notes.clone());
    tasks.spawn(background::kept_up("recording", record));
    let sealer = wired.sealer.clone();
    tasks.spawn(background::kept_up("sealing the audit trail", move || background::audit::seal(sealer.clone())));
    if let Some(path) = settings.log.audit.clone() {
        let (store, notes) = (Arc::clone(changes), wired.notes.clone());
        let journal = move || background::audit::journal(path.clone(), Arc::clone(&store) as _, notes.clone());
        tasks.spawn(background::kept_up("log.audit", journal));
    }
}

fn open_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, Error> {
    let Some(tls) = &settings.http.tls else { return Ok(None) };
    let files = Files { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.cacert.clone() };
    let tls = Tls::open(files)?;
    tokio::spawn(Arc::clone(&tls).watch());
    Ok(Some(tls))
}

async fn wait_for_signal(signals: Signals, gateway: Gateway, stopping: watch::Sender<bool>) {
    signals.wait().await;
    gateway.drain();
    // nobody listens any more: then there is nothing to stop
    let _ = stopping.send(true);
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // an error means that the sender is gone, which means the same
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn bind(settings: &Settings, port: u16, key: &'static str) -> Result<TcpListener, Error> {
    let host = settings.effective_address();
    let listen = |source| Error::Listen { address: format!("{host}:{port}"), key, source };
    TcpListener::bind((host, port)).await.map_err(listen)
}

fn announce(settings: &Settings, listener: &TcpListener, s3: Option<&TcpListener>) -> Result<(), Error> {
    let local = |listener: &TcpListener| {
        listener.local_addr().map_err(|source| Error::Listen { address: String::new(), key: "http.address", source })
    };
    let address = local(listener)?;
    let s3_address = s3.map(local).transpose()?.map(|address| address.to_string());
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
