//! `tenon serve`.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

use super::settings::Settings;
use super::signals::Signals;
use crate::app::App;
use crate::config::{Config, DEMO_TENANT};
use crate::http::Server;
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
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.settings.load()?;
        start_log(&config)?;
        // A statement for each instance, at most, and what is beside them: so none waits for threads of other tenants.
        let threads = config.pool.instances as usize + 64;
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(threads).enable_all().build()?;
        let ended = runtime.block_on(serve(config));
        let finish_by = *ended.as_ref().unwrap_or(&Instant::now());
        let left = finish_by.saturating_duration_since(Instant::now());
        // Dropped, it would wait for threads that may never end.
        runtime.shutdown_timeout(left);
        if !left.is_zero() && Instant::now() >= finish_by {
            tracing::warn!("statements or other work did not finish in time; the host ends without them");
        }
        ended.map(drop)
    }
}

/// Serves until the host is told to stop. Gives the moment until which threads that still work may go on.
async fn serve(config: Config) -> anyhow::Result<Instant> {
    raise_file_limit();
    let listener = listen(config.listen, config.http.backlog).with_context(|| {
        format!("cannot listen on {}: is another host running there? Choose another with --listen", config.listen)
    })?;
    let address = listener.local_addr()?;
    let compiler = std::env::current_exe().context("cannot find this program's own file, which compiles plugins")?;
    let app = App::start(config, compiler).await?;
    // Before anyone is told that the host is ready: who was told may stop it at once, or ask it over its socket.
    let signals = Signals::hear(&app.config().http).await?;
    let server = Server::new(app.clone());
    if let Err(error) = announce(&app, address) {
        // Whoever started the host need not listen to it.
        tracing::warn!(%error, "standard output takes no more lines");
    }
    let watched = app.clone();
    let watching = tokio::spawn(async move { watched.registry().watch().await });
    let tended = app.clone();
    let tending = tokio::spawn(async move {
        tokio::join!(tended.registry().tend(), tended.tend_usage());
    });
    let events = app.events().clone();
    let moving = tokio::spawn(async move { events.run().await });
    let schedules = app.schedules().clone();
    let keeping_time = tokio::spawn(async move { schedules.run().await });
    server.serve(listener, signals.stop()).await;
    tokio::join!(app.events().stop(), app.schedules().stop());
    moving.abort();
    keeping_time.abort();
    watching.abort();
    tending.abort();
    app.registry().flush().await;
    app.usage_flush().await;
    tokio::select! {
        () = app.sql().close() => {}
        () = signals.time_is_up() => {
            // Dropped, each would still be closed, one after the other. They go on from their logs at the next start.
            std::mem::forget(app.clone());
        }
    }
    Ok(signals.finish_by())
}

fn listen(address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A host that is started again may take the address of connections that are still ending.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
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
    crate::log::start(&config.log).with_context(|| {
        format!(
            "log.filter is {:?}: write a level, or targets with levels, as `info,tenon::registry=debug`",
            config.log.filter
        )
    })
}
