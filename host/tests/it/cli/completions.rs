//! What shells complete.

use std::path::Path;
use std::process::Command;

use crate::common::{Host, Scratch, output};

/// What bash offers for the last of these words, with the script that `tenon completions bash` prints.
async fn completed(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let script = r#"
        source <(tenon completions bash)
        complete -p tenon | grep -q _clap_complete_tenon || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_tenon tenon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = shell(scratch, "bash");
    command.args(["--norc", "--noprofile", "-c", script, "bash"]).args(words);
    output(command).await.success().split_whitespace().map(str::to_owned).collect()
}

/// A shell that finds this program, in the scratch directory.
fn shell(scratch: &Scratch, name: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_tenon")).parent().unwrap();
    let mut command = Command::new(name);
    command.current_dir(scratch.path(""));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENON_")) {
        command.env_remove(name);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", binary.display()));
    command.env("HOME", scratch.path("")).env_remove("XDG_CONFIG_HOME");
    command
}

/// The same without options, which can stand everywhere.
async fn values(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    completed(scratch, words).await.into_iter().filter(|offered| !offered.starts_with('-')).collect()
}

#[tokio::test]
async fn bash_completes_commands_and_options() {
    let scratch = Scratch::with_plugins(&[]);
    assert_eq!(completed(&scratch, &["tenon", "expl"]).await, ["explain"]);
    assert_eq!(completed(&scratch, &["tenon", "plugin", "unp"]).await, ["unpin"]);
    assert_eq!(completed(&scratch, &["tenon", "serve", "--lis"]).await, ["--listen"]);
    assert_eq!(completed(&scratch, &["tenon", "completions", "z"]).await, ["zsh"]);
    let hidden = completed(&scratch, &["tenon", "comp"]).await;
    assert_eq!(hidden, ["completions"], "the compiling process is nobody's to start");
}

#[tokio::test]
async fn bash_completes_what_the_running_host_has() {
    let host = Host::with_plugins(&["greeter-1-0", "greeter-1-1", "crm"]).await;
    let scratch = host.scratch();
    let over_url = ["tenon", "explain", "--url", host.address(), ""];
    assert_eq!(values(scratch, &over_url).await, ["crm", "greeter"]);
    let tenant = ["tenon", "explain", "crm", "--url", host.address(), "--tenant", ""];
    assert_eq!(values(scratch, &tenant).await, ["demo"]);
    // Over the socket in ./data, as every command.
    assert_eq!(values(scratch, &["tenon", "grant", "gr"]).await, ["greeter"]);
    assert_eq!(values(scratch, &["tenon", "rollout", "greeter", ""]).await, ["1.0.0", "1.1.0"]);
    assert_eq!(values(scratch, &["tenon", "rollout", "crm", "1"]).await, ["1.0.0"]);
}

#[tokio::test]
async fn without_a_host_there_is_nothing_to_complete_and_no_complaint() {
    let scratch = Scratch::with_plugins(&[]);
    let nowhere = ["tenon", "explain", "--url", "http://127.0.0.1:1", ""];
    assert_eq!(values(&scratch, &nowhere).await, [""; 0]);
}

#[tokio::test]
async fn each_shell_gets_a_script_that_asks_this_program() {
    let scratch = Scratch::with_plugins(&[]);
    for (shell, parts) in [
        ("bash", ["complete -o nospace", "TENON_COMPLETE=\"bash\""]),
        ("zsh", ["compdef _clap_dynamic_completer_tenon tenon", "TENON_COMPLETE=\"zsh\""]),
        ("fish", ["complete --keep-order --exclusive --command tenon", "TENON_COMPLETE=fish"]),
    ] {
        let script = output(scratch.tenon(&["completions", shell])).await.success();
        for part in parts {
            assert!(script.contains(part), "{shell}: expected {part}: {script}");
        }
        if !super::shells::installed(shell) {
            continue;
        }
        let file = scratch.file("script", &script);
        let mut command = Command::new(shell);
        command.arg("-n").arg(file);
        assert_eq!(output(command).await.success(), "", "{shell} reads its script");
    }
}

#[tokio::test]
async fn fish_completes_commands_with_the_script_it_was_given() {
    if !super::shells::installed("fish") {
        return;
    }
    let scratch = Scratch::with_plugins(&[]);
    let mut command = shell(&scratch, "fish");
    command.args(["--no-config", "-c", "tenon completions fish | source; complete -C 'tenon plugin un'"]);
    let offered = output(command).await.success();
    let offered: Vec<_> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(offered, ["uninstall", "unpin"]);
}

#[tokio::test]
async fn zsh_knows_who_completes_the_command() {
    if !super::shells::installed("zsh") {
        return;
    }
    let scratch = Scratch::with_plugins(&[]);
    let script = "autoload -Uz compinit && compinit -u -D && source <(tenon completions zsh) && print $_comps[tenon]";
    let mut command = shell(&scratch, "zsh");
    command.args(["-f", "-c", script]);
    assert_eq!(output(command).await.success(), "_clap_dynamic_completer_tenon\n");
}
