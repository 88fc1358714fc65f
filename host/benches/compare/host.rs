//! A host within the benchmark's own process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tenon::app::App;
use tenon::config::{Config, Overrides};
use tenon::id::{CorrelationId, TenantId};
use tenon::permission::PermissionPattern;
use tenon::registry::{Plugin, Served};
use tenon::runtime::{CallContext, Identity};
use tokio::net::TcpListener;

pub struct Host {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub data: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Host {
    /// Starts a host with these files as its plugins, in dev mode, on a free port.
    pub async fn start(plugins: &[PathBuf]) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let directory = scratch.path().join("plugins");
        std::fs::create_dir(&directory)?;
        for file in plugins {
            let name = file.file_name().context("a plugin file has a name")?;
            std::fs::copy(file, directory.join(name))
                .with_context(|| format!("{} is missing: `cargo just bench` builds it", file.display()))?;
        }
        let data = scratch.path().join("data");
        let overrides =
            Overrides { dev: Some(true), plugins: Some(directory), data: Some(data.clone()), ..Overrides::default() };
        let mut config = Config::load(None, overrides)?;
        // Two components fused into one bring two memories.
        config.pool.memories_per_component = 2;
        let app = App::start(config, env!("CARGO_BIN_EXE_tenon").into()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = tenon::http::Stop { stop: std::future::pending(), now: std::future::pending() };
        tokio::spawn(tenon::http::Server::new(app.clone()).serve(listener, stop));
        Ok(Self { app, address, data, _scratch: scratch })
    }

    /// The active plugin of this id.
    pub fn plugin(&self, id: &str) -> anyhow::Result<Arc<Plugin>> {
        let snapshot = self.app.registry().snapshot();
        match snapshot.view(&TenantId::parse("demo")?).served(id) {
            Some(Served::Active(plugin)) => Ok(plugin.clone()),
            Some(Served::Inactive { reason, .. }) => anyhow::bail!("{id} is not active: {reason}"),
            None => anyhow::bail!("{id} was not loaded: {:?}", snapshot.rejected()),
        }
    }

    /// A context as a request from outside gets it.
    pub fn context(&self) -> anyhow::Result<CallContext> {
        let tenant = TenantId::parse("demo")?;
        let snapshot = self.app.registry().snapshot();
        let view = snapshot.view(&tenant).clone();
        let everything = PermissionPattern::parse("*")?;
        let identity = Identity {
            tenant,
            user: None,
            workspace: None,
            roles: Vec::new(),
            permissions: [everything].into_iter().collect(),
            correlation_id: CorrelationId::new(),
            hops: 0,
        };
        Ok(self.app.context(Arc::new(identity), &view))
    }
}

/// A plugin of the product, by its id.
pub fn product(id: &str) -> anyhow::Result<PathBuf> {
    let directory = root().join("plugins-dist");
    let prefix = format!("{id}-");
    let file = std::fs::read_dir(&directory)
        .with_context(|| format!("{} is missing: `cargo just plugins` makes it", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(&prefix) && name.ends_with(".wasm")
        });
    file.with_context(|| format!("{id} is missing in plugins-dist: `cargo just plugins` builds it"))
}

/// A plugin of the test data, by its package.
pub fn testdata(package: &str) -> PathBuf {
    root().join("target/testdata").join(format!("{package}.wasm"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
