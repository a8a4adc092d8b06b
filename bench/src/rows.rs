//! The table of rows: the operation, the number of clients, the time, and the target.
//!
//! Rows that share servers are a suite: each suite starts with empty stores.

pub(crate) mod blobs;
pub(crate) mod listing;
pub(crate) mod manifests;
pub(crate) mod mixed;
pub(crate) mod multipart;
pub(crate) mod objects;

use std::sync::Arc;
use std::time::Duration;

use crate::servers::Api;
use crate::work::{Limit, Work};
use blobs::{Pull, Push, Way};
use listing::{List, Page};
use manifests::{Image, PullImage, PullManifest, PushManifest};
use mixed::Mixed;
use multipart::Multipart;
use objects::{Get, Head, Put};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MB: usize = 1_000_000;
/// The largest body of any row.
pub(crate) const LARGEST: usize = 100 * MB;

/// What a row's throughput is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) enum Unit {
    /// Operations in a second.
    Operations,
    /// Megabytes (10⁶ bytes) of content in a second.
    Megabytes,
}

/// Work that is measured with several numbers of clients: a row for each.
#[derive(Clone)]
pub(crate) struct Case {
    pub name: String,
    pub work: Arc<dyn Work>,
    pub clients: Vec<usize>,
    /// Unit of its throughput.
    pub unit: Unit,
    /// The target ratio to the peer.
    pub aim: f64,
    /// Rounds of each server.
    pub rounds: usize,
    /// When a round ends.
    pub limit: Limit,
    /// Whether it is measured on Postgres too.
    pub postgres: bool,
}

/// Cases that share servers.
pub(crate) struct Suite {
    pub name: &'static str,
    pub api: Api,
    pub cases: Vec<Case>,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// Short rounds with smaller data.
    Quick,
}

pub(crate) fn suites(scale: Scale) -> Vec<Suite> {
    let suite = |name, api, cases: Vec<Case>| Suite {
        name,
        api,
        cases: cases.into_iter().map(|case| case.scaled(scale)).collect(),
    };
    vec![
        suite("objects up to 1 MiB", Api::S3, small_objects()),
        suite("lists", Api::S3, lists(scale)),
        suite("objects of 64 MiB", Api::S3, large_objects()),
        suite("uploads in parts", Api::S3, uploads_in_parts(scale)),
        suite("manifests", Api::Oci, manifests()),
        suite("blobs", Api::Oci, blob_cases(scale)),
    ]
}

fn small_objects() -> Vec<Case> {
    let tiny = Put { folder: "4k", size: 4 * KIB, signed: false };
    let middle = Put { folder: "128k", size: 128 * KIB, signed: false };
    let large = Put { folder: "1m", size: MIB, signed: false };
    let get = |of: Put, folder, count| Get { of: Put { folder, ..of }, count };
    let signed = Put { folder: "1m-signed", signed: true, ..large };
    let sizes = [get(tiny, "mixed-4k", 1000), get(middle, "mixed-128k", 200), get(large, "mixed-1m", 50)];
    vec![
        Case::quick("PUT 4 KiB", tiny, 2.0).also_on_postgres(),
        Case::quick("GET 4 KiB", get(tiny, "get-4k", 1000), 2.0).also_on_postgres(),
        Case::quick("HEAD", Head { of: Put { folder: "head-4k", ..tiny }, count: 1000 }, 2.0).also_on_postgres(),
        Case::quick("PUT 1 MiB", large, 2.0).limited_to(192).in_megabytes().also_on_postgres(),
        Case::quick("PUT 1 MiB, body signed", signed, 2.0).limited_to(192).in_megabytes().with_clients(&[8]),
        Case::quick("GET 1 MiB", get(large, "get-1m", 100), 2.0).in_megabytes(),
        Case::quick("75 % GET, 25 % PUT", Mixed { sizes }, 2.0).with_clients(&[8, 32]).also_on_postgres(),
    ]
}

fn lists(scale: Scale) -> Vec<Case> {
    let (keys, of) = match scale {
        Scale::Full => (100_000, "100,000"),
        Scale::Quick => (3_000, "3,000"),
    };
    let list = |page| List { keys, page };
    let behind = format!("LIST 1,000 of {of} keys, from any key on");
    let folder = format!("LIST 1,000 of {of} keys, a folder");
    vec![
        Case::quick(&behind, list(Page::Behind), 2.0).with_clients(&[1, 8]).also_on_postgres(),
        Case::quick(&folder, list(Page::Folder), 2.0).with_clients(&[1, 8]).also_on_postgres(),
    ]
}

fn large_objects() -> Vec<Case> {
    let put = Put { folder: "64m", size: 64 * MIB, signed: false };
    let get = Get { of: Put { folder: "get-64m", ..put }, count: 8 };
    vec![Case::long("PUT 64 MiB", put, 1.5).limited_to(8), Case::long("GET 64 MiB", get, 1.1).limited_to(48)]
}

fn uploads_in_parts(scale: Scale) -> Vec<Case> {
    let (parts, whole) = match scale {
        Scale::Full => (64, "1 GiB"),
        Scale::Quick => (8, "128 MiB"),
    };
    let name = format!("upload of {whole} in parts of 16 MiB, 8 at a time");
    vec![Case::long(&name, Multipart { parts, size: 16 * MIB }, 1.5).limited_to(1).with_clients(&[1])]
}

fn manifests() -> Vec<Case> {
    let image = |series, blobs: &[usize]| Image { series, number: 0, blobs: blobs.to_vec() };
    let pulled = PullManifest { image: image(2, &[2 * KIB, 10 * KIB]), count: 200 };
    // a configuration, a base layer, and ever smaller ones
    let (mib, quarter) = (MIB, 256 * KIB);
    let layers = [4 * KIB, 8 * mib, 4 * mib, 2 * mib, 2 * mib, mib, mib, mib, mib, quarter, quarter, quarter, quarter];
    vec![
        Case::quick("push of a manifest, new tag", PushManifest(image(1, &[2 * KIB, 10 * KIB])), 1.5)
            .also_on_postgres(),
        Case::quick("pull of a manifest, by tag", pulled, 1.5).also_on_postgres(),
        Case::long("pull of an image of 12 layers, 21 MiB", PullImage { image: image(3, &layers), count: 1 }, 1.5)
            .limited_to(128)
            .in_operations()
            .with_clients(&[64]),
    ]
}

fn blob_cases(scale: Scale) -> Vec<Case> {
    let push = |size, series| Push { size, way: Way::Put, series };
    let pull = |size, series, count| Pull { of: push(size, series), count };
    let mut cases = vec![
        Case::quick("push of a blob of 1 MB", push(MB, 1), 1.5).limited_to(192).in_megabytes(),
        Case::quick("pull of a blob of 1 MB", pull(MB, 2, 64), 1.5).in_megabytes(),
        Case::long("push of a blob of 10 MB", push(10 * MB, 3), 1.5).limited_to(24).with_clients(&[1, 8]),
        Case::long("push of a blob of 10 MB by PATCH", Push { way: Way::Patch, ..push(10 * MB, 4) }, 1.5)
            .limited_to(24)
            .with_clients(&[8]),
        Case::long("pull of a blob of 10 MB", pull(10 * MB, 5, 16), 1.5).limited_to(200).with_clients(&[1, 8]),
    ];
    if scale == Scale::Full {
        cases.extend([
            Case::long("push of a blob of 100 MB", push(100 * MB, 6), 1.5).limited_to(6).with_clients(&[1, 8]),
            Case::long("pull of a blob of 100 MB", pull(100 * MB, 7, 4), 1.5).limited_to(24).with_clients(&[1, 8]),
        ]);
    }
    cases
}

impl Case {
    /// Operations of a few milliseconds: many rounds, by time, counted in operations.
    fn quick(name: &str, work: impl Work + 'static, aim: f64) -> Self {
        let limit = Limit { time: Duration::from_millis(1500), operations: u64::MAX };
        Self {
            name: name.to_owned(),
            work: Arc::new(work),
            clients: vec![1, 8, 32],
            unit: Unit::Operations,
            aim,
            rounds: 5,
            limit,
            postgres: false,
        }
    }

    /// Operations that take long: three rounds, counted in bytes.
    fn long(name: &str, work: impl Work + 'static, aim: f64) -> Self {
        let limit = Limit { time: Duration::from_secs(4), operations: u64::MAX };
        Self { rounds: 3, unit: Unit::Megabytes, limit, ..Self::quick(name, work, aim) }
    }

    /// The limit of operations a round: their data stays on the disk until the suite ends.
    fn limited_to(self, operations: u64) -> Self {
        let limit = Limit { operations, ..self.limit };
        Self { limit, ..self }
    }

    fn in_megabytes(self) -> Self {
        Self { unit: Unit::Megabytes, ..self }
    }

    fn in_operations(self) -> Self {
        Self { unit: Unit::Operations, ..self }
    }

    fn with_clients(self, clients: &[usize]) -> Self {
        Self { clients: clients.to_vec(), ..self }
    }

    fn also_on_postgres(self) -> Self {
        Self { postgres: true, ..self }
    }

    /// For a quick look: one number of clients, a fifth of the time.
    fn scaled(self, scale: Scale) -> Self {
        if scale == Scale::Full {
            return self;
        }
        let middle = self.clients[self.clients.len() / 2];
        let limit = Limit { time: self.limit.time / 5, operations: self.limit.operations.div_ceil(4) };
        Self { clients: vec![middle], rounds: 3, limit, ..self }
    }
}

/// Operations whose round trips to the database are counted.
pub(crate) fn counted(api: Api) -> Vec<(&'static str, Arc<dyn Work>)> {
    let put = |folder, size| Put { folder, size, signed: false };
    let image = |series| Image { series, number: 0, blobs: vec![2 * KIB, 10 * KIB] };
    let push = |size, series, way| Push { size, way, series };
    match api {
        Api::S3 => vec![
            ("PUT of an object of 4 KiB", Arc::new(put("4k", 4 * KIB))),
            ("PUT of an object of 1 MiB", Arc::new(put("1m", MIB))),
            ("GET of an object of 4 KiB", Arc::new(Get { of: put("get-4k", 4 * KIB), count: 100 })),
            ("GET of an object of 1 MiB", Arc::new(Get { of: put("get-1m", MIB), count: 10 })),
            ("HEAD of an object", Arc::new(Head { of: put("head-4k", 4 * KIB), count: 100 })),
            ("LIST of 1,000 keys", Arc::new(List { keys: 2000, page: Page::Folder })),
        ],
        Api::Oci => vec![
            ("push of a blob of 1 MB: POST and PUT", Arc::new(push(MB, 1, Way::Put))),
            ("push of a blob of 1 MB: POST, PATCH and PUT", Arc::new(push(MB, 2, Way::Patch))),
            ("pull of a blob of 1 MB", Arc::new(Pull { of: push(MB, 3, Way::Put), count: 10 })),
            ("push of a manifest, new tag", Arc::new(PushManifest(image(1)))),
            ("pull of a manifest, by tag", Arc::new(PullManifest { image: image(2), count: 100 })),
        ],
    }
}
