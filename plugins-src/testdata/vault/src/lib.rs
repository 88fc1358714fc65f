//! Doors that open to whoever gets as far as to ask. It embeds no manifest: a test writes one beside the file, and so
//! decides what each door needs.

#![cfg(target_family = "wasm")]

use exports::demo::vault::vault::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package vault:plugin;

        world plugin {
            export demo:vault/vault@1.0.0;
        }
    ",
    path: ["../../../wit/wasi-io", "../wit/demo-vault"],
    generate_all,
});

struct Vault;

fn opened() -> Result<String, Error> {
    Ok("open".to_owned())
}

impl Guest for Vault {
    fn open() -> Result<String, Error> {
        opened()
    }

    fn open_a() -> Result<String, Error> {
        opened()
    }

    fn open_b() -> Result<String, Error> {
        opened()
    }

    fn open_both() -> Result<String, Error> {
        opened()
    }

    fn open_twice() -> Result<String, Error> {
        opened()
    }

    fn open_unnamed() -> Result<String, Error> {
        opened()
    }
}

export!(Vault);
