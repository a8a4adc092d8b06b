//! A server as a process: started on loopback, watched through /proc, ended by its id.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::content::Body;
use crate::error::{Error, Result};
use crate::http::{Connection, Request, Take};

/// How long a server may take to start, and to end.
const DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
/// The kernel's unit of time in /proc/…/stat, which is the same on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running process. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose output goes to this file. If `setpriv` exists, the kernel ends it when this process is killed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn start(command: &Command, log: PathBuf) -> Result<Self> {
        let mut bound = match on_path("setpriv") {
            Some(setpriv) => {
                let mut bound = Command::new(setpriv);
                bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
                bound
            }
            None => Command::new(command.get_program()),
        };
        bound.args(command.get_args()).env_clear();
        bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = File::create(&log).map_err(Error::io(log.display().to_string()))?;
        let errors = output.try_clone().map_err(Error::io(log.display().to_string()))?;
        let starting = format!("starting {}", command.get_program().display());
        let child = bound.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(Error::io(starting))?;
        Ok(Self { child, log })
    }

    /// Waits until it answers 200 there.
    ///
    /// # Errors
    /// [`Error::Setup`] with the end of its log, if it ends or is not ready in time.
    pub(crate) async fn wait_ready(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if self.child.try_wait().map_err(Error::io("waiting for a server"))?.is_some() {
                break;
            }
            if answers(address, path).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        Err(Error::Setup(format!("{address} did not get ready; the end of its log:\n{}", lines.join("\n"))))
    }

    /// CPU time that it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    /// The most memory that it ever had resident, in bytes (`VmHWM`).
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGTERM first: a database has its own processes to stop
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && begun.elapsed() < Duration::from_secs(10) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        // it ignored SIGTERM, and its data is deleted anyway
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answers(address: SocketAddr, path: &str) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let request = Request { method: "GET", path: path.to_owned(), headers: String::new(), body: Body::default() };
    connection.exchange(&request, Take::Count).await?.expect(200).map(drop)
}

/// CPU time that this process has used, in seconds.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_seconds("self")
}

fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // the second field is a name in parentheses, which may have any characters
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("looking for a free port"))?;
    listener.local_addr().map_err(Error::io("looking for a free port"))
}

/// The first line that a program prints of its version.
pub(crate) fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = output.lines().next().unwrap_or("unknown");
    // some begin with the path that they were called by
    line.trim_start_matches(&*program.to_string_lossy()).trim_start().to_owned()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
