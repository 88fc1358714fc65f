//! Why `serve` does not start.

use std::net::TcpListener;

use crate::common::{Scratch, output};

/// What `serve` says that is refused with these arguments.
async fn refused(scratch: &Scratch, args: &[&str]) -> String {
    let mut command = scratch.tenon(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(args);
    let said = output(command).await;
    assert_eq!(said.status, Some(1), "{said:#?}");
    let told = said.failure();
    assert!(told.starts_with("tenon: "), "{told}");
    told
}

#[tokio::test]
async fn dev_mode_is_refused_on_an_address_that_others_can_reach() {
    let scratch = Scratch::with_plugins(&[]);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4000"] {
        let told = output(scratch.tenon(&["serve", "--dev", "--listen", address])).await.failure();
        assert!(told.contains(address) && told.contains("loopback"), "{told}");
        assert!(told.contains("dev is on") && told.contains("127.0.0.1"), "why, and what to do: {told}");
    }
    let mut by_variable = scratch.tenon(&["serve", "--listen", "0.0.0.0:0"]);
    by_variable.env("TENON_DEV", "true");
    assert!(output(by_variable).await.failure().contains("loopback"));
    assert!(!scratch.path("data").exists(), "nothing was made");
}

#[tokio::test]
async fn a_plugins_directory_that_is_missing_is_named() {
    let scratch = Scratch::with_plugins(&[]);
    let told = refused(&scratch, &["--plugins", "/no/such/directory"]).await;
    assert!(told.contains("/no/such/directory") && told.contains("--plugins"), "{told}");
    let file = scratch.file("a-file", "");
    assert!(refused(&scratch, &["--plugins", file.to_str().unwrap()]).await.contains("a-file"));
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let scratch = Scratch::with_plugins(&[]);
    let file = scratch.file("a-file", "");
    let told = refused(&scratch, &["--plugins", "plugins", "--data", file.join("data").to_str().unwrap()]).await;
    assert!(told.contains("a-file/data"), "{told}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let scratch = Scratch::with_plugins(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = output(scratch.tenon(&["serve", "--dev", "--listen", &address])).await.failure();
    assert!(told.contains(&address) && told.contains("--listen"), "{told}");
    assert!(told.contains("another host"), "{told}");
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_named_with_its_line() {
    let scratch = Scratch::with_plugins(&[]);
    for (text, line, key) in [
        ("listem = \"127.0.0.1:0\"\n", 1, "`listem`"),
        ("dev = true\n\n[http]\nbody_byte = 1\n", 4, "`http.body_byte`"),
        ("[htpp]\nbody_bytes = 1\n", 1, "`htpp`"),
    ] {
        let file = scratch.file("tenon.toml", text);
        let told = refused(&scratch, &["--config", file.to_str().unwrap()]).await;
        let place = format!("{}, line {line}: {key}", file.display());
        assert!(told.contains(&place), "expected {place}: {told}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_with_what_could() {
    let scratch = Scratch::with_plugins(&[]);
    for (text, told_of) in [
        ("listen = \"everywhere\"\n", ["`listen`", "everywhere"]),
        ("listen = 4000\n", ["`listen`", "4000"]),
        ("[http]\nbody_bytes = \"2 MiB\"\n", ["`http.body_bytes`", "\"2 MiB\""]),
        ("[http]\nbody_bytes = 0\n", ["`http.body_bytes`", "at least 1"]),
        ("[http\n", ["line 1", "correct the line"]),
    ] {
        let file = scratch.file("tenon.toml", text);
        let told = refused(&scratch, &["--config", file.to_str().unwrap()]).await;
        for part in told_of {
            assert!(told.contains(part), "{text:?}: expected {part}: {told}");
        }
    }
    let told = refused(&scratch, &["--config", "/no/such/tenon.toml"]).await;
    assert!(told.contains("/no/such/tenon.toml") && told.contains("--config"), "{told}");
}
