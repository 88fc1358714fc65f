//! A running host.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use super::client::Client;
use super::process::Process;
use super::scratch::Scratch;

/// A host with its directories. It is asked as [`Client`]s ask: as the demo tenant, or as another by
/// [`Client::tenant`]. Dropped, it is killed and its directories are removed.
pub struct Host {
    client: Client,
    // Before the directories, so that it has ended when they go.
    process: Process,
    scratch: Scratch,
    args: Vec<String>,
}

impl Host {
    /// A host in dev mode with these plugins: those of `plugins-dist/`, or of `target/testdata/`.
    pub async fn with_plugins(names: &[&str]) -> Self {
        Self::start(Scratch::with_plugins(names), &["--dev"]).await
    }

    /// The same with settings, as a configuration file has them.
    pub async fn with_config(names: &[&str], config: &str) -> Self {
        let scratch = Scratch::with_plugins(names);
        let file = scratch.file("tenon.toml", config);
        Self::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await
    }

    /// A host in these directories, with these arguments after those that name them.
    pub async fn start(scratch: Scratch, args: &[&str]) -> Self {
        let args = with_patience(&scratch, args);
        let process = Process::start(&scratch, command(&scratch, &args)).await;
        let client = Client::new(process.address());
        Self { client, process, scratch, args }
    }

    /// Stops the host as an operator does, and starts it again on the same directories.
    pub async fn restart(&mut self) {
        self.terminate();
        self.ended().await;
        self.start_again().await;
    }

    /// Asks it to stop, as an operator does.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end of a host that was told to stop.
    pub async fn ended(&mut self) {
        let status = self.process.ended().await;
        assert!(status.success(), "the host ended with {status}");
    }

    /// Starts a host that has ended again, on the same directories.
    pub async fn start_again(&mut self) {
        self.process = Process::start(&self.scratch, command(&self.scratch, &self.args)).await;
        self.client = Client::new(self.process.address());
    }

    /// Where it serves, as `http://127.0.0.1:40123`.
    pub fn address(&self) -> &str {
        self.process.address()
    }

    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// These arguments with a configuration that gives a request ten times the CPU budget of the default, unless it sets
/// one itself: the default is meant for release builds, and a debug build on a busy machine is no attack. For the same
/// reason requests wait for a version that is on its way.
fn with_patience(scratch: &Scratch, args: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let file = match args.iter().position(|arg| arg == "--config") {
        Some(at) => PathBuf::from(&args[at + 1]),
        None => {
            let file = scratch.file("patience.toml", "");
            args.extend(["--config".to_owned(), file.to_str().unwrap().to_owned()]);
            file
        }
    };
    let config = std::fs::read_to_string(&file).unwrap();
    // A deadline that a test sets may be shorter than that.
    if !["cpu_budget_ms", "wall_deadline_ms", "[limits]"].iter().any(|word| config.contains(word)) {
        std::fs::write(&file, format!("limits.cpu_budget_ms = 500\n{config}")).unwrap();
    }
    let config = std::fs::read_to_string(&file).unwrap();
    // Whoever asks after a swap gets the new version, however slow the machine is.
    if !["handover_ms", "[lifecycle]"].iter().any(|word| config.contains(word)) {
        std::fs::write(&file, format!("lifecycle.handover_ms = 60000\n{config}")).unwrap();
    }
    args
}

fn command(scratch: &Scratch, args: &[String]) -> Command {
    let mut command = scratch.serve();
    command.args(args);
    command
}

impl Deref for Host {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.scratch.log()).unwrap_or_default();
            eprintln!("the host's log:\n{log}");
        }
    }
}
