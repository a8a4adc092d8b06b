//! The server as a process: configured, started, awaited, killed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::backend::{Backend, Storage};
use crate::client::{Client, Credentials};
use crate::{DEADLINE, workspace};

/// The key that may do everything.
pub const ADMIN: Credentials = Credentials { id: "test-admin", secret: "admin-secret-8c4f1b7e2d" };
/// The key that may read everything.
pub const READER: Credentials = Credentials { id: "test-reader", secret: "reader-secret-5a9d3c6f0e" };

/// How many lines of a log a failed test shows at most.
const OUTPUT_LINES: usize = 30;
/// A placeholder for a free port, chosen when the server starts.
const FREE_PORT: &str = "free";
/// The pause between two checks of a wait.
const POLL: std::time::Duration = std::time::Duration::from_millis(25);

/// The configuration of a server. The same setup can start it again.
#[derive(Clone)]
pub struct Setup {
    storage: Storage,
    settings: Value,
    env: Vec<(String, String)>,
}

impl Setup {
    /// A server on this store, without access control, on a free port of loopback.
    pub fn on(storage: &Storage) -> Self {
        let settings = json!({
            "http": { "address": "127.0.0.1", "port": 0 },
            "extensions": { "s3api": { "port": 0 } }, // no S3 port: tests run concurrently
            "log": { "level": "info" },
        });
        Self { storage: storage.clone(), settings, env: Vec::new() }
    }

    /// Turns access control on; [`ADMIN`] and [`READER`] are the only keys.
    #[must_use]
    pub fn with_access_control(self) -> Self {
        self.set("extensions.rbac.enabled", true)
    }

    /// Opens the S3 port too, a free one for each server: see [`Server::s3_address`].
    #[must_use]
    pub fn with_s3_port(self) -> Self {
        self.set("extensions.s3api.port", FREE_PORT)
    }

    /// Sets a key of the configuration, named with dots.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let entry = key.split('.').fold(&mut self.settings, |settings, part| &mut settings[part]);
        *entry = value.into();
        self
    }

    /// Sets a variable of the server's environment, which is otherwise nearly empty.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Whether callers must authenticate.
    pub(crate) fn has_access_control(&self) -> bool {
        self.settings["extensions"]["rbac"]["enabled"] == true
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&self) -> Server {
        let mut server = self.spawn();
        server.address = server.wait_listening(None).await;
        server.wait_ready().await;
        server
    }

    /// Starts a server and waits until it listens: for one that does not speak plain HTTP.
    pub async fn start_listening(&self) -> Server {
        let mut server = self.spawn();
        server.address = server.wait_listening(None).await;
        server
    }

    /// Starts a server that logs to this file, and waits until it says there that it listens.
    pub async fn start_logging_to(&self, log: &Path) -> Server {
        let mut server = self.spawn();
        server.address = server.wait_listening(Some(log)).await;
        server
    }

    /// Starts a server without log output, and waits until it is ready.
    pub async fn start_silent(&self) -> Server {
        let port = free_port();
        let mut server = self.clone().set("http.port", port).spawn();
        server.address = SocketAddr::from(([127, 0, 0, 1], port));
        server.wait_ready().await;
        server
    }

    /// Starts a server that must exit with an error, and returns its error output.
    pub async fn start_refused(&self) -> String {
        let mut server = self.spawn();
        let status = server.ended().await;
        let said = read_lossy(&server.dir.path().join("stderr"));
        assert!(!status.success(), "the server ended well, which it should not\n{said}");
        said
    }

    /// Runs another command of the binary with the same settings, to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let dir = tempfile::Builder::new().prefix("zot-command-").tempdir().expect("a temporary folder");
        let mut command = self.command(dir.path());
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("the binary");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = ended.status.code();
        Ended { success: ended.status.success(), code, stdout: text(ended.stdout), stderr: text(ended.stderr) }
    }

    /// The command of the binary with these settings and a clean environment.
    fn command(&self, dir: &Path) -> Command {
        let mut settings = self.storage.settings(dir);
        merge(&mut settings, &self.settings);
        let port = &mut settings["extensions"]["s3api"]["port"];
        if *port == FREE_PORT {
            *port = free_port().into();
        }
        let config = dir.join("config.yaml"); // JSON is YAML
        std::fs::write(&config, settings.to_string()).expect("writing the configuration");
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(&config)
            .env_clear() // the developer's variables must not reach the server
            .env("HOME", dir)
            .env("RUST_BACKTRACE", "1")
            .envs([("ZOT_ADMIN_ACCESS_KEY", ADMIN.id), ("ZOT_ADMIN_SECRET_KEY", ADMIN.secret)])
            .envs([("ZOT_READER_ACCESS_KEY", READER.id), ("ZOT_READER_SECRET_KEY", READER.secret)])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn spawn(&self) -> Server {
        let dir = tempfile::Builder::new().prefix("zot-server-").tempdir().expect("a temporary folder");
        let log = |name| File::create(dir.path().join(name)).expect("a file for the server's output");
        let child = self
            .command(dir.path())
            .arg("serve")
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("starting {}: {error}; build it first", binary().display()));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Server { child, dir, address, setup: self.clone() }
    }
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A running server. Dropping it kills it; if the test failed, its output is shown.
pub struct Server {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
    /// Kept so that the store outlives the server.
    setup: Setup,
}

impl Server {
    /// A server on a fresh store, without access control.
    pub async fn open(backend: Backend) -> Self {
        Setup::on(&backend.fresh().await).start().await
    }

    /// A server on a fresh store, with access control.
    pub async fn guarded(backend: Backend) -> Self {
        Setup::on(&backend.fresh().await).with_access_control().start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the S3 port.
    pub fn s3_address(&self) -> SocketAddr {
        let found = self.log().lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["s3_address"].as_str()?.parse().ok()
        });
        found.unwrap_or_else(|| panic!("the server has no S3 port: call Setup::with_s3_port\n{}", self.output()))
    }

    /// Bytes that the process has had in memory at most.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("reading /proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
    }

    /// A client, as the administrator where there is access control.
    pub fn client(&self) -> Client {
        Client::new(self.address, self.setup.has_access_control().then_some(ADMIN))
    }

    /// Kills it as a crash would (SIGKILL), and waits for its end.
    pub fn kill(&mut self) {
        // an error means that it has ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("running kill");
        assert!(sent.success(), "no process {pid} to stop");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the server is our child") {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "the server did not stop\n{}", self.output());
            sleep(POLL).await;
        }
    }

    /// Its output on stdout so far.
    pub fn log(&self) -> String {
        read_lossy(&self.dir.path().join("stdout"))
    }

    /// The output that explains a failed test: all of stderr, warnings and errors, and the end of stdout.
    pub fn output(&self) -> String {
        let (log, stderr) = (self.log(), read_lossy(&self.dir.path().join("stderr")));
        let lines: Vec<&str> = log.lines().collect();
        let (before, last) = lines.split_at(lines.len().saturating_sub(OUTPUT_LINES));
        let wrong = before.iter().filter(|line| line.contains(r#""WARN""#) || line.contains(r#""ERROR""#));
        let wrong = wrong.take(OUTPUT_LINES).copied().collect::<Vec<_>>().join("\n");
        let (address, last) = (self.address, last.join("\n"));
        format!("--- server {address}, stderr:\n{stderr}\n--- its warnings:\n{wrong}\n--- its last lines:\n{last}\n---")
    }

    /// Waits for the log line that names the address.
    async fn wait_listening(&mut self, file: Option<&Path>) -> SocketAddr {
        let start = Instant::now();
        loop {
            let log = file.map_or_else(|| self.log(), read_lossy);
            if let Some(address) = log.lines().find_map(listening_address) {
                return address;
            }
            self.assert_alive(start, "listen");
            sleep(POLL).await;
        }
    }

    async fn wait_ready(&mut self) {
        let start = Instant::now();
        let url = format!("http://{}/health/ready", self.address);
        while !reqwest::get(&url).await.is_ok_and(|response| response.status() == 200) {
            self.assert_alive(start, "become ready");
            sleep(POLL).await;
        }
    }

    fn assert_alive(&mut self, start: Instant, what: &str) {
        let ended = self.child.try_wait().expect("the server is our child");
        assert!(ended.is_none(), "the server ended ({ended:?}) before it could {what}\n{}", self.output());
        assert!(start.elapsed() < DEADLINE, "the server did not {what}\n{}", self.output());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
    }
}

/// The binary under test: `ZOT_BIN`, or the one of the dev profile.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ZOT_BIN") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join("debug/zot-artifact-store")
}

/// The address in a log line that says `listening`; lines of other kinds have none.
fn listening_address(line: &str) -> Option<SocketAddr> {
    if !line.starts_with('{') {
        let mut words = line.split_once("listening")?.1.split_whitespace();
        return words.find_map(|word| word.strip_prefix("address=")?.parse().ok());
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| line[name].as_str().or_else(|| line["fields"][name].as_str());
    if field("message")? != "listening" {
        return None;
    }
    field("address")?.parse().ok()
}

/// Merges the keys of `more` into `base`.
fn merge(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more.clone(),
    }
}

fn read_lossy(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
