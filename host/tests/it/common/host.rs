//! A running host.

use std::ops::Deref;
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
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let process = Process::start(&scratch, command(&scratch, &args)).await;
        let client = Client::new(process.address());
        Self { client, process, scratch, args }
    }

    /// Stops the host as an operator does, and starts it again on the same directories.
    pub async fn restart(&mut self) {
        self.process.terminate();
        let status = self.process.ended().await;
        assert!(status.success(), "the host ended with {status}");
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

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
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
