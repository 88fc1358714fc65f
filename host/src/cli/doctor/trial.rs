//! A host that is started to see whether one would start, and what it would make of the plugins.
//!
//! Invariant: nothing of the installation is written. Its data is a directory of its own, with a copy of the control plane
//! and of the keys, and links to the machine code that is there; it listens on its own socket alone.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::app::App;
use crate::config::Config;
use crate::http::{self, local};

pub(super) struct Trial {
    app: Arc<App>,
    socket: local::Served,
}

/// Starts it in `scratch`, where the copy of the control plane is.
pub(super) async fn start(config: &Config, scratch: &Path) -> anyhow::Result<Trial> {
    furnish(&config.data, scratch);
    let mut config = config.clone();
    config.data = scratch.to_owned();
    // Every file is waited for, and none is looked at twice.
    config.loader.rescan_ms = 0;
    let compiler = std::env::current_exe().context("cannot find this program's own file, which compiles plugins")?;
    let app = App::start(config, compiler).await?;
    let socket = http::serve_locally(app.clone()).context("no socket can be made; set TMPDIR to a shorter path")?;
    Ok(Trial { app, socket })
}

impl Trial {
    pub(super) async fn end(self) {
        drop(self.socket);
        self.app.control().close().await;
    }
}

/// Without any of it the host makes its own, which takes longer.
fn furnish(data: &Path, scratch: &Path) {
    for name in ["keys", "compiled"] {
        _ = fs::DirBuilder::new().mode(0o700).create(scratch.join(name));
        for entry in fs::read_dir(data.join(name)).into_iter().flatten().flatten() {
            let (from, to) = (entry.path(), scratch.join(name).join(entry.file_name()));
            let Ok(from) = from.canonicalize() else { continue };
            if !from.is_file() {
                continue;
            }
            // A key might be made anew where it stands; code is only ever replaced as a whole.
            _ = if name == "keys" { fs::copy(from, to).map(|_| ()) } else { symlink(from, to) };
        }
    }
}
