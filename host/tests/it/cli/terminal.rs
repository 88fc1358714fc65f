//! What stands on a terminal and nowhere else: colours, and a line that says what is waited for.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::shells::installed;
use crate::common::{Scratch, eventually, output};

/// A command on a terminal of its own; what it shows there stands in the file.
fn on_terminal(scratch: &Scratch, file: &str, command: &str) -> (Command, PathBuf) {
    let file = scratch.path(file);
    // Made by the scratch directory, so that nothing of the developer's environment is in it.
    let binary = scratch.tenon(&[]).get_program().to_str().unwrap().to_owned();
    let mut script = Command::new("script");
    script.args(["-qefc", &format!("{binary} {command}")]).arg(&file).current_dir(scratch.path(""));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENON_")) {
        script.env_remove(name);
    }
    script.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("CLICOLOR");
    script.stdin(Stdio::null()).stdout(Stdio::null());
    (script, file)
}

#[tokio::test]
async fn help_has_colours_on_a_terminal_unless_they_are_not_wanted() {
    if !installed("script") {
        return;
    }
    let scratch = Scratch::with_plugins(&[]);
    let (command, file) = on_terminal(&scratch, "coloured", "plugin --help");
    output(command).await;
    let coloured = fs::read_to_string(&file).unwrap();
    assert!(coloured.contains("\x1b[") && coloured.contains("Show every loaded version"), "{coloured:?}");
    let (mut command, file) = on_terminal(&scratch, "plain", "plugin --help");
    command.env("NO_COLOR", "1");
    output(command).await;
    let plain = fs::read_to_string(&file).unwrap();
    assert!(!plain.contains('\x1b') && plain.contains("Show every loaded version"), "{plain:?}");
    let piped = output(scratch.tenon(&["plugin", "--help"])).await.success();
    assert!(!piped.contains('\x1b') && piped.contains("Show every loaded version"), "{piped:?}");
}

/// Something that takes every request and answers it when it is told to.
async fn slow_host() -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answer, told) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut told = told.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                _ = stream.read(&mut request).await;
                _ = told.wait_for(|told| *told).await;
                let body = r#"{"success":true,"data":[],"total":0}"#;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, answer)
}

#[tokio::test]
async fn what_takes_long_is_told_on_a_terminal_alone_and_leaves_nothing_there() {
    if !installed("script") {
        return;
    }
    let scratch = Scratch::with_plugins(&[]);
    let (address, answer) = slow_host().await;
    // Those that say nothing begin to wait before the one that does.
    let piped = || {
        let scratch = &scratch;
        let address = address.clone();
        async move { output(scratch.tenon(&["rollouts", "--url", &address])).await }
    };
    let (mut dumb, dumb_file) = on_terminal(&scratch, "dumb", &format!("rollouts --url {address}"));
    dumb.env("TERM", "dumb");
    let talks = async {
        let (mut command, file) = on_terminal(&scratch, "terminal", &format!("rollouts --url {address}"));
        let mut child = command.spawn().unwrap();
        eventually("the terminal shows what is waited for", async || {
            let shown = fs::read_to_string(&file).unwrap_or_default();
            shown.contains("waiting for the host (2 s)").then_some(())
        })
        .await;
        answer.send_replace(true);
        let status = eventually("the command ends", async || child.try_wait().unwrap()).await;
        assert!(status.success());
        fs::read_to_string(&file).unwrap()
    };
    let (piped, dumb, shown) = tokio::join!(piped(), output(dumb), talks);
    assert_eq!(piped.success(), "nothing is rolled out by hand: tenants get the highest versions\n");
    assert_eq!(dumb.status, Some(0));
    assert!(!fs::read_to_string(dumb_file).unwrap().contains("waiting"));
    // The line is taken back before the answer is written.
    let (_, after) = shown.rsplit_once("\r\x1b[K").unwrap();
    assert!(after.trim_start().starts_with("nothing is rolled out by hand"), "{shown:?}");
}
