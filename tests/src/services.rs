//! Services that not every test needs. A test requests them here, and `hack/with-services` starts them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::backend::variable;

/// How long a test waits for a service, which may have to be built.
const OBTAIN_DEADLINE: Duration = Duration::from_mins(20);

/// The values of these variables, which name the service's address. If they are not set, requests the service and waits
/// for it.
pub(crate) async fn further<const N: usize>(service: &str, names: [&str; N]) -> [String; N] {
    let Some(folder) = std::env::var_os("ZOT_SERVICES_DIR").map(PathBuf::from) else { return names.map(variable) };
    if names.iter().all(|name| std::env::var_os(name).is_some()) {
        return names.map(variable);
    }
    let variables = ask(&folder, service).await;
    names.map(|name| {
        let value = variables.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{service} was started without {name}")).to_owned()
    })
}

/// Requests a service, and returns its variables, a line each.
async fn ask(folder: &Path, service: &str) -> String {
    let (started, failed) = (folder.join(format!("{service}.env")), folder.join(format!("{service}.failed")));
    if !started.exists() {
        let requests = std::fs::OpenOptions::new().write(true).open(folder.join("requests"));
        writeln!(requests.expect("hack/with-services takes requests"), "{service}").expect("asking for a service");
    }
    let since = Instant::now();
    while since.elapsed() < OBTAIN_DEADLINE {
        if let Ok(variables) = std::fs::read_to_string(&started) {
            return variables;
        }
        if let Ok(why) = std::fs::read_to_string(&failed) {
            panic!("{why}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{service} did not start within {OBTAIN_DEADLINE:?}")
}
