//! `tenon serve`.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::{Config, DEMO_TENANT, LogFormat, Overrides};
use crate::id::TenantId;
use crate::registry::Served;

/// Load the plugins and serve them over HTTP.
///
/// Each option can also be set by the variable named with it and in the configuration file; the command
/// line counts first, then the variable, then the file.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon serve --dev                                     the demo tenant on 127.0.0.1:4000\n  \
    tenon serve --dev --listen 127.0.0.1:0                on any free port, which is printed\n  \
    tenon serve --config /etc/tenon.toml --data /var/lib/tenon\n\n\
    In dev mode the tenant is `demo` unless the header X-Tenant-ID names another, and nobody is asked for a key.")]
pub(super) struct Serve {
    /// Serve the demo tenant without credentials; only on a loopback address.
    #[arg(
        long,
        env = "TENON_DEV",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    dev: Option<bool>,
    /// Address and port to listen on; port 0 takes any free one [default: 127.0.0.1:4000]
    #[arg(long, env = "TENON_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Directory of the plugins' .wasm files [default: plugins-dist]
    #[arg(long, env = "TENON_PLUGINS", value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Directory of databases, compiled code and keys [default: data]
    #[arg(long, env = "TENON_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file in TOML
    #[arg(long, env = "TENON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { dev, listen, plugins, data, config } = self;
        let overrides = Overrides { dev, listen, plugins, data };
        let config = Config::load(config.as_deref(), overrides)?;
        start_log(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(config))
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    raise_file_limit();
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}: is another host running there? Choose another with --listen", config.listen)
    })?;
    let address = listener.local_addr()?;
    let compiler = std::env::current_exe().context("cannot find this program's own file, which compiles plugins")?;
    let app = App::start(config, compiler).await?;
    if let Err(error) = announce(&app, address) {
        // Whoever started the host need not listen to it.
        tracing::warn!(%error, "standard output takes no more lines");
    }
    crate::http::serve(app, listener, stop_signal()).await;
    Ok(())
}

/// Connections and databases each take descriptors; the usual soft limit of 1,024 is too few for the defaults.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// One line when ready, and in dev mode what to try.
fn announce(app: &App, address: SocketAddr) -> std::io::Result<()> {
    let snapshot = app.registry().snapshot();
    let mut out = std::io::stdout().lock();
    let (active, all) = (snapshot.active_count(), snapshot.plugins().len());
    writeln!(out, "tenon is ready on http://{address} ({active} of {all} plugins active)")?;
    for file in snapshot.rejected() {
        writeln!(out, "  not loaded: {}: {}", file.file_name, file.reason.replace('\n', "\n    "))?;
    }
    // Only what works as it stands: a directory need not hold the plugins that come with the host.
    let demo = TenantId::parse(DEMO_TENANT).map_err(std::io::Error::other)?;
    let active = |plugin| matches!(snapshot.view(&demo).served(plugin), Some(Served::Active(_)));
    if app.config().dev && active("crm") && active("analytics") {
        writeln!(out, "\nTry:")?;
        writeln!(out, "  curl -s http://{address}/plugins/crm/contacts")?;
        writeln!(out, "  curl -s -X POST http://{address}/plugins/analytics/reports/report-2/run")?;
        writeln!(out, "  curl -s http://{address}/api/v1/plugins/analytics/links")?;
    }
    out.flush()
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&config.log.filter).with_context(|| {
        format!(
            "log.filter is {:?}: write a level, or targets with levels, as `info,tenon::registry=debug`",
            config.log.filter
        )
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => log.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Ends when the process is asked to stop.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping: requests under way are finished first");
}
