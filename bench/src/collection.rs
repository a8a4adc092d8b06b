//! Garbage collection under load. Half of a store is deleted during a fixed load, and then collected during the same
//! load.
//!
//! Three windows of the same load: alone, during deletion, during garbage collection. Statements in the database move the
//! time on, because grace periods are hours.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::args::{Collection, Load};
use crate::content::{Body, series};
use crate::error::{Error, Result};
use crate::http::{Connection, Take};
use crate::load;
use crate::report::write_between;
use crate::rows::objects::Put;
use crate::run::say;
use crate::servers::{Api, Place, Server};
use crate::stats::median;
use crate::target::Target;
use crate::work::{Limit, Work, fill, round};

const BEGIN: &str = "<!-- collection: written by `make bench ARGS='collection --write'`, do not edit -->";
const END: &str = "<!-- end of collection -->";
/// Most objects are small and stay in the database. One of this many is large enough for a file.
const LARGE_EACH: u64 = 5;
const SMALL: usize = 2 * 1024;
const LARGE: usize = 24 * 1024;
const DELETERS: usize = 2;
/// The limit for garbage collection, in windows of the load.
const WINDOWS: usize = 20;
/// The times that must be moved back.
const TIMES: [&str; 4] = ["blob.touched_at", "repo_blob.touched_at", "gc_candidate.due_at", "segment.dead_at"];

/// Runs it and gives the figures.
///
/// # Errors
/// If a server does not start, a request of set-up or deletion fails, garbage is left in the end, or `fsck` finds anything.
pub(crate) async fn run(place: &Place, options: &Collection) -> Result<Value> {
    let database = place.create_database().await?;
    let settings = [("storage.gcInterval", "2s"), ("database.maxConnections", "20")];
    let side = place.start_with(Server::OursOnPostgres, Api::Oci, Some(database.clone()), &settings).await?;
    let target = Arc::new(Target::new(side.target.address, "/s3", None, Arc::clone(&place.content)));
    say(&format!("collection: {} objects and {} manifests", options.objects, options.manifests));
    Objects::of(1).prepare(&target).await?;
    fill(Objects { delete: false }, &target, options.objects).await?;
    fill(Manifests { delete: false }, &target, options.manifests).await?;
    let window = Load {
        server: format!("http://{}", target.address),
        seconds: options.seconds,
        rate: options.rate,
        clients: 16,
        access_key: None,
        secret_key: None,
    };
    say("collection: the load alone");
    let alone = window_of(&window).await?;
    say("collection: the load while half is deleted");
    let (deleting, deleted) = tokio::join!(window_of(&window), delete_half(&target, options));
    let (deleting, deletion_seconds) = (deleting?, deleted?);
    say("collection: the load while it is collected");
    let began = Instant::now();
    let mut collecting = Vec::new();
    let mark = Mark::of(&database).await?;
    while collecting.is_empty() || mark.left(&database).await? > 0 {
        if collecting.len() == WINDOWS {
            return Err(Error::Setup(format!("{} pieces of garbage are left", mark.left(&database).await?)));
        }
        pass_hours(&database).await?;
        collecting.push(window_of(&window).await?);
    }
    let collection_seconds = began.elapsed().as_secs_f64();
    place.fsck(&side, &database)?;
    Ok(json!({
        "objects": options.objects, "manifests": options.manifests, "rate": options.rate,
        "deletionSeconds": deletion_seconds, "collectionSeconds": collection_seconds,
        "alone": alone, "deleting": deleting, "collecting": collecting,
        "peakMemory": side.process.peak_memory(),
    }))
}

/// Writes the table into docs/BENCHMARKS.md.
///
/// # Errors
/// [`Error::Setup`] if the document lacks the place for it.
pub(crate) fn write(report: &Value) -> Result<()> {
    let windows: Vec<&Value> = report["collecting"].as_array().into_iter().flatten().collect();
    let mut text = format!(
        "Half of {} objects and {} manifests were deleted in {:.0} s and collected in {:.0} s, at {} operations a second beside \
         it. `fsck --verify all` found nothing afterwards. The server had {} MiB at most.\n\n\
         | operation | alone: p50, p99 ms | while half is deleted | ratio of p99 | while it is collected | ratio of p99 |\n\
         |---|---|---|---|---|---|\n",
        report["objects"],
        report["manifests"],
        float(&report["deletionSeconds"]),
        float(&report["collectionSeconds"]),
        report["rate"],
        report["peakMemory"].as_u64().unwrap_or(0) / (1 << 20),
    );
    for name in ["get", "put", "pull", "push"] {
        let of = |window: &Value, field: &str| float(&window[name][field]);
        let (alone, deleting) = (&report["alone"], &report["deleting"]);
        let middle = |field: &str| median(windows.iter().map(|window| of(window, field)));
        // writing into a String does not fail
        let _ = writeln!(
            text,
            "| {name} | {:.1}, {:.1} | {:.1}, {:.1} | {:.2} | {:.1}, {:.1} | {:.2} |",
            of(alone, "p50_ms"),
            of(alone, "p99_ms"),
            of(deleting, "p50_ms"),
            of(deleting, "p99_ms"),
            of(deleting, "p99_ms") / of(alone, "p99_ms"),
            middle("p50_ms"),
            middle("p99_ms"),
            middle("p99_ms") / of(alone, "p99_ms"),
        );
    }
    write_between(Path::new("docs/BENCHMARKS.md"), (BEGIN, END), &text)
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The load's figures. A failed operation fails the run: nothing may become read-only.
async fn window_of(load: &Load) -> Result<Value> {
    let (report, well) = load::run(load).await?;
    if well { Ok(report["operations"].clone()) } else { Err(Error::Setup(format!("operations failed: {report:#}"))) }
}

async fn delete_half(target: &Arc<Target>, options: &Collection) -> Result<f64> {
    let began = Instant::now();
    for (work, count) in [
        (Arc::new(Objects { delete: true }) as Arc<dyn Work>, options.objects / 2),
        (Arc::new(Manifests { delete: true }), options.manifests / 2),
    ] {
        round(&work, target, &Arc::default(), DELETERS, Limit::operations(count)).await?;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// The newest blob and segment when deletion ended. Later garbage of the load does not count.
struct Mark {
    blob: i64,
    segment: String,
}

impl Mark {
    async fn of(database: &str) -> Result<Self> {
        let sql = "SELECT COALESCE((SELECT MAX(id) FROM blob), 0), COALESCE((SELECT MAX(key) FROM segment), '')";
        let mut connection = PgConnection::connect(database).await?;
        let (blob, segment) = sqlx::query_as(sql).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(Self { blob, segment })
    }

    /// Counts unreferenced blobs up to the mark, and dead segments up to it with bytes. Keys are `UUIDv7`.
    async fn left(&self, database: &str) -> Result<i64> {
        let sql = "SELECT (SELECT COUNT(*) FROM blob b WHERE b.id <= $1
                AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
                AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.blob = b.id)
                AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.blob = b.id))
            + (SELECT COUNT(*) FROM segment WHERE state = 'dead' AND gone_at IS NULL AND key <= $2)";
        let mut connection = PgConnection::connect(database).await?;
        let query = sqlx::query_as(sql).bind(self.blob).bind(&self.segment);
        let (left,): (i64,) = query.fetch_one(&mut connection).await?;
        connection.close().await?;
        say(&format!("collection: {left} pieces of garbage are left"));
        Ok(left)
    }
}

/// Moves all times back by a day, except those of the last seconds.
async fn pass_hours(database: &str) -> Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    for time in TIMES {
        let Some((table, column)) = time.split_once('.') else { continue };
        let sql = format!(
            "UPDATE {table} SET {column} = {column} - 108000000000 WHERE {column} < now_us() - 10000000
             AND {column} > now_us() - 108000000000"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Puts or deletes objects.
struct Objects {
    delete: bool,
}

impl Objects {
    fn of(turn: u64) -> Put {
        let size = if turn.is_multiple_of(LARGE_EACH) { LARGE } else { SMALL };
        Put { folder: "collection", size, signed: false }
    }
}

#[async_trait]
impl Work for Objects {
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let put = Self::of(turn);
        if !self.delete {
            return put.run(target, connection, turn).await;
        }
        let request = target.s3("DELETE", &put.key(turn), "", Body::default());
        connection.exchange(&request, Take::Count).await?.expect(204)?;
        Ok(0)
    }
}

/// Puts or deletes manifests without layers.
struct Manifests {
    delete: bool,
}

#[async_trait]
impl Work for Manifests {
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let config = "\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"size\":2,\
                      \"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}";
        let text = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"artifactType\":\
             \"application/x-bench\",{config},\"layers\":[],\"annotations\":{{\"n\":\"{}\"}}}}",
            series("collection") | turn
        );
        let digest = crate::content::digest_of(text.as_bytes());
        let path = format!("manifests/{digest}");
        let (method, status, body) =
            if self.delete { ("DELETE", 202, Body::default()) } else { ("PUT", 201, Body::of(text.into_bytes())) };
        let headers = "content-type: application/vnd.oci.image.manifest.v1+json\r\n";
        connection.exchange(&target.oci(method, &path, headers, body), Take::Count).await?.expect(status)?;
        Ok(0)
    }
}
