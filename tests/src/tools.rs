//! Real clients from `hack/tool`. Each runs in its own folder; its output is shown if it fails.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::workspace;

/// The deadline of a client: enough for pushes of small artifacts on a loaded machine.
const COMMAND_DEADLINE: Duration = Duration::from_mins(4);
/// The deadline for getting a tool, which may have to be built.
const OBTAIN_DEADLINE: Duration = Duration::from_mins(20);

/// The path of a tool. Gets the tool first if it is missing.
pub async fn tool(name: &str) -> PathBuf {
    let mut command = Command::new(workspace().join("hack/tool"));
    let running = command.arg(name).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = tokio::time::timeout(OBTAIN_DEADLINE, running).await.expect("hack/tool ends in time");
    let output = output.expect("running hack/tool");
    assert!(output.status.success(), "hack/tool {name} failed; its output is above");
    String::from_utf8(output.stdout).expect("a path in UTF-8").trim_end().into()
}

/// A client's folder and home. So the developer's configuration and logins are neither read nor changed.
pub struct Home {
    dir: TempDir,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("zot-client-").tempdir().expect("a temporary folder") }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder of the file")).expect("creating the folder");
        std::fs::write(&path, content).expect("writing the file");
        path
    }

    /// Reads a file in it.
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path().join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
    }

    /// A command that runs in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(&program);
        command.current_dir(self.path()).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
            "REGISTRY_AUTH_FILE",
            "DOCKER_CONFIG",
            "AWS_CA_BUNDLE",
        ] {
            command.env_remove(name);
        }
        let runtime = self.path().join("runtime");
        std::fs::create_dir_all(&runtime).expect("creating the folder");
        command.env("HOME", self.path()).env("XDG_RUNTIME_DIR", runtime);
        Run { command, shown: vec![program.as_ref().to_owned()], input: None }
    }
}

/// A command to run.
pub struct Run {
    command: Command,
    shown: Vec<OsString>,
    input: Option<String>,
}

impl Run {
    /// Adds arguments, separated by blanks.
    #[must_use]
    pub fn words(self, words: &str) -> Self {
        words.split_whitespace().fold(self, Self::arg)
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(arg.as_ref().to_owned());
        self.command.arg(arg);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it this text on standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        self.input = Some(text.to_owned());
        self
    }

    /// Runs it; it must succeed. Returns what it printed.
    pub async fn ok(self) -> Printed {
        let printed = self.run().await;
        assert!(printed.status.success(), "{printed}");
        printed
    }

    /// Runs it; it must fail.
    pub async fn fails(self) -> Printed {
        let printed = self.run().await;
        assert!(!printed.status.success(), "expected to fail, but: {printed}");
        printed
    }

    /// Runs it and returns what it printed, however it ended.
    pub async fn run(mut self) -> Printed {
        let shown = self.shown.join(OsStr::new(" ")).to_string_lossy().into_owned();
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("starting {shown}: {error}"));
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input) {
            // a child that does not read its input fails by its status
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = tokio::time::timeout(COMMAND_DEADLINE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{shown}: not ended after {COMMAND_DEADLINE:?}"));
        let output = output.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Printed { shown, status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What a command printed, and how it ended.
pub struct Printed {
    shown: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl std::fmt::Display for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, status, stdout, stderr } = self;
        write!(f, "{shown}\n{status}\n--- stdout:\n{stdout}\n--- stderr:\n{stderr}\n---")
    }
}
