//! The host put together: configuration, control plane, runtime and the plugins that are loaded.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::capability::sql::SqlBackend;
use crate::config::{Config, DEMO_TENANT};
use crate::db::{CONTROL_PLANE_FILE, ControlPlane, DbError, SqliteControlPlane, TenantOrigin};
use crate::id::TenantId;
use crate::registry::{Compiler, Loader, Registry, TenantView};
use crate::runtime::{CallContext, CpuClock, Identity, Runtime};

/// A running host.
pub struct App {
    config: Config,
    control: Arc<dyn ControlPlane>,
    runtime: Arc<Runtime>,
    registry: Registry,
    /// Tenants known to be in the control plane, so that a request need not ask.
    tenants: RwLock<HashSet<TenantId>>,
}

impl App {
    /// Opens the data directory, loads the plugins and resolves their imports. `compiler` is the program
    /// that has the compiling subcommand: this one, or `tenon` for those who embed the host.
    ///
    /// # Errors
    ///
    /// When the data or plugins directory cannot be used. A bad plugin file is no error: it is listed.
    pub async fn start(config: Config, compiler: PathBuf) -> anyhow::Result<Arc<Self>> {
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("cannot make the data directory {}", config.data.display()))?;
        let control: Arc<dyn ControlPlane> =
            Arc::new(SqliteControlPlane::open(&config.data.join(CONTROL_PLANE_FILE), &config.db).await?);
        let demo_tenant = if config.dev { Some(TenantId::parse(DEMO_TENANT)?) } else { None };
        let sql = SqlBackend::new(&config.data, &config.sql, demo_tenant)
            .with_context(|| format!("cannot use the data directory {}", config.data.display()))?;
        let sql = Arc::new(sql);
        let runtime = Runtime::new(&config.limits, &config.pool, sql.clone())
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the engine cannot be made; less in [pool] or [limits] may help")?;
        let compiler = Compiler::open(runtime.engine(), &config.data, compiler, &config.loader)?;
        let registry = Registry::new(Loader::new(compiler, sql, &config.loader), control.clone());
        registry.load(&config.plugins).await?;
        let app = Self { config, control, runtime, registry, tenants: RwLock::default() };
        if app.config.dev {
            app.tenant_ensure(&TenantId::parse(DEMO_TENANT)?).await?;
        }
        Ok(Arc::new(app))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn control(&self) -> &dyn ControlPlane {
        &*self.control
    }

    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Makes sure that the control plane knows the tenant. A tenant is made by its first request in dev mode.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be asked.
    pub async fn tenant_ensure(&self, tenant: &TenantId) -> Result<(), DbError> {
        if self.tenants.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(());
        }
        let origin = if tenant.as_str() == DEMO_TENANT { TenantOrigin::Demo } else { TenantOrigin::Dev };
        self.control.tenant_ensure(tenant.as_str(), origin).await?;
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        Ok(())
    }

    /// The context of a call that comes from outside, with all its limits, from now on.
    pub fn context(&self, identity: Arc<Identity>, view: &TenantView) -> CallContext {
        self.context_within(identity, view, self.config.limits.wall_deadline())
    }

    /// The same with a deadline of its own.
    pub fn context_within(&self, identity: Arc<Identity>, view: &TenantView, deadline: Duration) -> CallContext {
        CallContext {
            identity,
            caller: None,
            depth: 0,
            deadline: Instant::now() + deadline,
            cpu: CpuClock::start().allowance(self.config.limits.cpu_budget()),
            links: view.links().clone(),
        }
    }
}
