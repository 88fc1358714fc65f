//! Flags, variables and the configuration file of `serve`.

use std::process::Command;

use serde_json::Value;

use crate::common::{Client, Process, Scratch};

/// What `/health` says of the plugins of a host that this command starts.
async fn loaded(scratch: &Scratch, command: Command) -> Value {
    let process = Process::start(scratch, command).await;
    Client::new(process.address()).get("/health").await.data(200)["plugins"]["loaded"].clone()
}

#[tokio::test]
async fn port_0_takes_a_free_port_and_prints_it() {
    let scratch = Scratch::with_plugins(&[]);
    let mut command = scratch.serve();
    command.arg("--dev");
    let process = Process::start(&scratch, command).await;
    let port: u16 = process.address().strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    assert_ne!(port, 0);
    Client::new(process.address()).get("/health").await.data(200);
}

#[tokio::test]
async fn what_to_try_is_printed_and_works_as_it_stands() {
    let scratch = Scratch::with_plugins(&["crm", "analytics"]);
    let mut command = scratch.serve();
    command.arg("--dev");
    let mut process = Process::start(&scratch, command).await;
    let client = Client::new("");
    let printed = process.printed(|line| line.contains("/links")).await;
    let tries: Vec<&str> = printed.iter().filter_map(|line| line.trim().strip_prefix("curl -s ")).collect();
    assert_eq!(tries.len(), 3, "{printed:#?}");
    for line in tries {
        let answer = match line.strip_prefix("-X POST ") {
            Some(url) => client.post(url, Value::Null).await,
            None => client.get(line).await,
        };
        answer.data(200);
    }
}

#[tokio::test]
async fn nothing_is_proposed_that_would_not_work() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let mut command = scratch.serve();
    command.arg("--dev");
    let mut process = Process::start(&scratch, command).await;
    process.terminate();
    assert_eq!(process.rest().await, Vec::<String>::new(), "analytics is not there");
}

#[tokio::test]
async fn everything_can_be_set_by_variables() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let mut command = scratch.tenon(&["serve"]);
    command.env("TENON_LISTEN", "127.0.0.1:0").env("TENON_DEV", "true");
    command.env("TENON_PLUGINS", scratch.plugins()).env("TENON_DATA", scratch.data());
    let process = Process::start(&scratch, command).await;
    assert_eq!(Client::new(process.address()).get("/plugins/crm/contacts").await.total(), 4);
    assert!(scratch.data().join("control.db").exists());
}

#[tokio::test]
async fn everything_can_be_set_in_a_file_that_a_flag_or_a_variable_names() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let file = scratch.file(
        "tenon.toml",
        "listen = \"127.0.0.1:0\"\ndev = true\nplugins = \"plugins\"\ndata = \"data\"\n[http]\nbody_bytes = 10\n",
    );
    for by_flag in [true, false] {
        let mut command = scratch.tenon(&["serve"]);
        if by_flag {
            command.arg("--config").arg(&file);
        } else {
            command.env("TENON_CONFIG", &file);
        }
        let process = Process::start(&scratch, command).await;
        let client = Client::new(process.address());
        assert_eq!(client.get("/plugins/crm/contacts").await.total(), 4);
        client.post_text("/plugins/crm/contacts", "{         }").await.refusal(413, "too_large");
    }
}

#[tokio::test]
async fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let scratch = Scratch::with_plugins(&[]);
    scratch.plugins_directory("one", &["crm"]);
    scratch.plugins_directory("two", &["crm", "analytics"]);
    scratch.file(
        "tenon.toml",
        "listen = \"127.0.0.1:0\"\nplugins = \"plugins\"\ndata = \"data\"\ntrust.unsigned = \"allow\"\n",
    );
    let file = || scratch.tenon(&["serve", "--config", "tenon.toml"]);
    assert_eq!(loaded(&scratch, file()).await, 0);
    let mut variable = file();
    variable.env("TENON_PLUGINS", "one");
    assert_eq!(loaded(&scratch, variable).await, 1);
    let mut flag = file();
    flag.env("TENON_PLUGINS", "one").args(["--plugins", "two"]);
    assert_eq!(loaded(&scratch, flag).await, 2);
}

#[tokio::test]
async fn dev_mode_can_be_switched_off_over_a_file_that_switches_it_on() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let file = scratch.file("tenon.toml", "dev = true\n");
    let status = async |args: &[&str], variable: Option<&str>| {
        let mut command = scratch.serve();
        command.arg("--config").arg(&file).args(args).envs(variable.map(|value| ("TENON_DEV", value)));
        let process = Process::start(&scratch, command).await;
        Client::new(process.address()).get("/plugins/crm/contacts").await.status
    };
    assert_eq!(status(&[], None).await, 200);
    assert_eq!(status(&[], Some("false")).await, 401);
    assert_eq!(status(&["--dev"], Some("false")).await, 200);
    assert_eq!(status(&["--dev", "false"], Some("true")).await, 401);
}
