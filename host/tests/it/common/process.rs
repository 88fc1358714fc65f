//! The binary, started: as a server that gets ready and goes on, or as a command that ends.

use std::fs::OpenOptions;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;

use super::code_cache;
use super::scratch::Scratch;
use super::wait::{DEADLINE, eventually};

/// A server that said it is ready. It is killed when dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Output {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Runs a command of this scratch directory and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it ends before, or says nothing in time; with its log.
    pub async fn start(scratch: &Scratch, mut command: Command) -> Self {
        let loan = code_cache::lend(&scratch.data(), &scratch.plugins()).await;
        let log = OpenOptions::new().create(true).append(true).open(scratch.log()).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut process = Self { child, lines: BufReader::new(stdout).lines(), address: String::new() };
        let first = timeout(DEADLINE, process.lines.next_line()).await;
        let Ok(Ok(Some(ready))) = first else {
            let log = std::fs::read_to_string(scratch.log()).unwrap_or_default();
            panic!("the host did not get ready: {first:?}; its log:\n{log}");
        };
        loan.give_back();
        let address = ready.strip_prefix("tenon is ready on ").and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("the first line is not that of a ready host: {ready}"));
        process.address = address.to_owned();
        process
    }

    /// Where it serves, as `http://127.0.0.1:40123`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it printed below the line that says it is ready, up to the first line that `last` accepts.
    pub async fn printed(&mut self, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut printed = Vec::new();
        loop {
            let line = timeout(DEADLINE, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else { panic!("nothing more was printed after {printed:#?}") };
            printed.push(line);
            if printed.last().is_some_and(|line| last(line)) {
                return printed;
            }
        }
    }

    /// What it printed since, up to its end.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        while let Some(line) = timeout(DEADLINE, self.lines.next_line()).await.unwrap().unwrap() {
            printed.push(line);
        }
        printed
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has a number");
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Ends it between two of its instructions, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the host to end", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    /// Waits for the end, so that nobody writes into a scratch directory that is being removed.
    fn drop(&mut self) {
        // It fails for one that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it does not come to one in time.
pub async fn output(command: Command) -> Output {
    let output = tokio::process::Command::from(command).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(DEADLINE, output).await.expect("the command goes on").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints no UTF-8");
    Output { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Output {
    /// What a command printed that succeeded and complained of nothing.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status == Some(0) && self.stderr.is_empty(), "expected success: {self:#?}");
        self.stdout
    }

    /// What a command wrote to standard error that failed and printed no result.
    #[track_caller]
    pub fn failure(self) -> String {
        assert!(self.status.is_some_and(|status| status != 0) && self.stdout.is_empty(), "expected failure: {self:#?}");
        self.stderr
    }
}
