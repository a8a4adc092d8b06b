//! The time of a policy decision with many policies and groups, in this process, without a server.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use zot_core::action::Action;
use zot_core::name::RepositoryName;
use zot_core::policy::{Context, Effect, Policy, Resource, Rules, Settings, decide};
use zot_core::principal::Principal;

use crate::error::{Error, Result};
use crate::report::write_between;

const BEGIN: &str = "<!-- decisions: written by `make bench ARGS='decide --write'`, do not edit -->";
const END: &str = "<!-- end of decisions -->";
const POLICIES: [usize; 3] = [10, 1_000, 100_000];
const GROUPS: [usize; 2] = [10, 1_000];
/// How long each figure is measured.
const MEASURED: Duration = Duration::from_millis(500);

/// Measures, and gives the table.
///
/// # Errors
/// [`Error::Setup`] if a policy of the measurement is not valid.
pub(crate) fn run() -> Result<String> {
    let mut text = "| policies | groups of the caller | allowed, one policy for each team | not allowed | all policies about one repository |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for policies in POLICIES {
        let spread = rules(policies, |number| format!("team{number}/*"))?;
        let heaped = rules(policies, |_| "team5/app".to_owned())?;
        for groups in GROUPS {
            let names = (0..groups).map(|number| format!("group:g{number}")).chain(["user:alice".to_owned()]);
            let caller = Principal::known("user:alice", names, BTreeMap::new());
            let stranger = (0..groups).map(|number| format!("group:x{number}"));
            let stranger = Principal::known("user:eve", stranger, BTreeMap::new());
            let figures = [micros(&spread, &caller)?, micros(&spread, &stranger)?, micros(&heaped, &caller)?];
            let [allowed, denied, one] = figures.map(|micros| format!("{micros:.2} µs"));
            // writing into a String does not fail
            let _ = writeln!(text, "| {policies} | {groups} | {allowed} | {denied} | {one} |");
        }
    }
    Ok(text)
}

/// Puts the table into docs/BENCHMARKS.md.
///
/// # Errors
/// [`Error::Setup`] if the document lacks the place for it.
pub(crate) fn write(table: &str) -> Result<()> {
    write_between(Path::new("docs/BENCHMARKS.md"), (BEGIN, END), table)
}

/// Policies that allow reading, each of another group.
fn rules(count: usize, resource: impl Fn(usize) -> String) -> Result<Rules> {
    let policy = |number| Policy {
        id: format!("policy-{number}"),
        resource: resource(number),
        actions: vec!["read".to_owned(), "list".to_owned()],
        effect: Effect::Allow,
        principals: vec![format!("group:g{number}")],
        ..Policy::default()
    };
    let statements: std::result::Result<Vec<_>, _> = (0..count).map(|number| policy(number).statement()).collect();
    Ok(Rules::new(statements.map_err(|error| Error::Setup(error.to_string()))?, HashSet::new()))
}

fn micros(rules: &Rules, caller: &Principal) -> Result<f64> {
    let name: RepositoryName =
        "team5/app".parse().map_err(|error: zot_core::Invalid| Error::Setup(error.to_string()))?;
    let settings = Settings { access_control: true, anonymous_read: false, read_only: false };
    let context =
        Context { source_ip: None, tls: true, now: zot_core::ambient::now(), list_prefix: None, operation: None };
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < MEASURED {
        for _ in 0..64 {
            let resource = Resource::Repository(&name);
            black_box(decide(settings, black_box(rules), black_box(caller), Action::Read, resource, &context));
        }
        count += 64;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}
