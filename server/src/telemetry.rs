//! Logs: JSON, one object a line, or text.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::error::Error;

pub(crate) struct Logging<'a> {
    /// A filter, such as `info`.
    pub level: &'a str,
    pub json: bool,
    /// None: standard output.
    pub output: Option<&'a Path>,
}

pub(crate) fn start(logging: &Logging<'_>) -> Result<(), Error> {
    // library logs below warning are only useful for debugging
    let filter = match logging.level {
        "trace" | "debug" => EnvFilter::new(format!(
            "{},s3s=off,hyper=info,hyper_util=info,rustls=info,sqlx=info,h2=info",
            logging.level
        )),
        level => EnvFilter::new(format!("{level},s3s=off,sqlx=warn,object_store=warn")),
    };
    let writer = match logging.output {
        None => BoxMakeWriter::new(std::io::stdout),
        Some(path) => {
            let file =
                OpenOptions::new().create(true).append(true).open(path).map_err(Error::file_of("log.output", path))?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = if logging.json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    started.map_err(|error| Error::Refused(format!("cannot start logging: {error}")))?;
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a task panicked")));
    Ok(())
}
