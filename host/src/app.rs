//! The host put together: configuration, control plane, runtime and the plugins that are loaded.

mod usage;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::capability::events::Outboxes;
use crate::capability::outbound::Outbound;
use crate::capability::sql::{SqlBackend, limit_sqlite_memory};
use crate::config::{Config, DEMO_TENANT};
use crate::db::{CONTROL_PLANE_FILE, ControlPlane, DbError, SqliteControlPlane, TenantOrigin};
use crate::id::{CorrelationId, TenantId};
use crate::log::TenantLog;
use crate::registry::catalogue::Catalogue;
use crate::registry::{Compiler, Loader, NotReady, Registry, TenantView};
use crate::runtime::{CallContext, CpuClock, Identity, Runtime};
use crate::seal::Seals;
use crate::stream::Streams;
use crate::trigger::events::Events;
use crate::trigger::schedules::Schedules;
use crate::usage::Usage;

/// A running host.
pub struct App {
    config: Config,
    control: Arc<dyn ControlPlane>,
    runtime: Arc<Runtime>,
    sql: Arc<SqlBackend>,
    registry: Arc<Registry>,
    events: Arc<Events>,
    schedules: Arc<Schedules>,
    streams: Arc<Streams>,
    catalogue: Catalogue,
    access: Access,
    /// Tenants known to be in the control plane, so that a request need not ask.
    tenants: RwLock<HashSet<TenantId>>,
    /// The KiB of `http.bodies_bytes` that no request's body takes.
    bodies: Arc<Semaphore>,
}

impl App {
    /// Opens the data directory, loads the plugins and resolves their imports. `compiler` is the program
    /// that has the compiling subcommand: this one, or `tenon` for those who embed the host.
    ///
    /// # Errors
    ///
    /// When the data or plugins directory cannot be used. A bad plugin file is no error: it is listed.
    pub async fn start(config: Config, compiler: PathBuf) -> anyhow::Result<Arc<Self>> {
        if !limit_sqlite_memory() {
            tracing::warn!("SQLite was in use before the host started: sql.memory_bytes limits nothing");
        }
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("cannot make the data directory {}", config.data.display()))?;
        let control: Arc<dyn ControlPlane> =
            Arc::new(SqliteControlPlane::open(&config.data.join(CONTROL_PLANE_FILE), &config.db).await?);
        let demo_tenant = if config.dev { Some(TenantId::parse(DEMO_TENANT)?) } else { None };
        let usage = Arc::new(Usage::new(&config.quotas, &config.sql, config.dev));
        let sql = SqlBackend::new(&config.data, &config.sql, demo_tenant, usage.clone())
            .with_context(|| format!("cannot use the data directory {}", config.data.display()))?;
        let sql = Arc::new(sql);
        let log = TenantLog::new(&config.log);
        let outbound = Outbound::new(&config.outbound).map_err(anyhow::Error::msg)?;
        let outboxes = Outboxes::new(control.clone(), &config.events, &config.sql);
        let runtime = Runtime::new(&config, log, usage, sql.clone(), outboxes, outbound)
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the engine cannot be made; less in [pool] or [limits] may help")?;
        let compiler = Compiler::open(runtime.engine(), &config.data, compiler, &config.loader)?;
        let loader = Loader::new(compiler, sql.clone(), &config.loader);
        let seals = open_seals(&config.data).await?;
        let registry = Arc::new(Registry::new(loader, control.clone(), runtime.clone(), seals, &config));
        let streams = Streams::new(control.clone(), registry.clone(), &config);
        let events = Events::new(control.clone(), runtime.clone(), registry.clone(), streams.clone(), &config);
        let schedules = Schedules::new(control.clone(), runtime.clone(), registry.clone(), &config);
        registry.load().await?;
        let access = Access::open(control.clone(), &config).await?;
        let bodies = Arc::new(Semaphore::new(config.http.bodies_bytes / 1024));
        let catalogue = Catalogue::new(config.catalogue.clone(), config.loader.clone(), &config.trust);
        let app = Self {
            config,
            control,
            runtime,
            sql,
            registry,
            events,
            schedules,
            streams,
            catalogue,
            access,
            tenants: RwLock::default(),
            bodies,
        };
        app.quotas_read().await?;
        app.usage_read().await?;
        if app.config.dev {
            app.tenant_ensure(&TenantId::parse(DEMO_TENANT)?, None).await?;
        }
        Ok(Arc::new(app))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The room for the bodies of requests, in KiB.
    pub fn bodies(&self) -> &Arc<Semaphore> {
        &self.bodies
    }

    pub fn control(&self) -> &dyn ControlPlane {
        &*self.control
    }

    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The data of all tenants.
    pub fn sql(&self) -> &Arc<SqlBackend> {
        &self.sql
    }

    /// What can be installed.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What moves events.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// What runs by the clock.
    pub fn schedules(&self) -> &Arc<Schedules> {
        &self.schedules
    }

    /// What people hear as it happens.
    pub fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Makes sure that the control plane knows the tenant. A tenant is made by its first request in dev mode, whose
    /// correlation id its event has.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be asked.
    pub async fn tenant_ensure(&self, tenant: &TenantId, request: Option<&CorrelationId>) -> Result<(), DbError> {
        if self.tenants.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(());
        }
        let origin = if tenant.as_str() == DEMO_TENANT { TenantOrigin::Demo } else { TenantOrigin::Dev };
        let is_new = self.control.tenant_fetch(tenant.as_str()).await?.is_none();
        self.control.tenant_ensure(tenant.as_str(), origin).await?;
        if is_new {
            let data = serde_json::json!({ "tenant": tenant });
            self.runtime.announcements().tell(tenant, "tenant.created", tenant.as_str(), data, request);
            self.schedules.wake();
        }
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        Ok(())
    }

    /// Whether the control plane knows the tenant.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be asked.
    pub async fn tenant_exists(&self, tenant: &TenantId) -> Result<bool, DbError> {
        if self.tenants.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(true);
        }
        let exists = self.control.tenant_fetch(tenant.as_str()).await?.is_some();
        if exists {
            self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        }
        Ok(exists)
    }

    /// The tenants that have asked, or were asked for, since the host was started.
    pub fn tenants_seen(&self) -> BTreeSet<TenantId> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What a tenant sees, with what it needs to call the plugin in place ([`Registry::ready`]).
    ///
    /// # Errors
    ///
    /// When that takes longer than a request may.
    pub async fn ready(&self, tenant: &TenantId, plugin: &str) -> Result<Arc<TenantView>, NotReady> {
        self.registry.ready(tenant, plugin, self.config.limits.wall_deadline()).await
    }

    /// The context of a call that comes from outside, with all its limits, from now on.
    pub fn context(&self, identity: Arc<Identity>, view: &TenantView) -> CallContext {
        self.context_within(identity, view, self.config.limits.wall_deadline())
    }

    /// The same with a deadline of its own.
    pub fn context_within(&self, identity: Arc<Identity>, view: &TenantView, deadline: Duration) -> CallContext {
        let (tenant, limits) = (self.runtime.tenant(&identity.tenant), &self.config.limits);
        CallContext {
            identity,
            hook: None,
            caller: None,
            depth: 0,
            deadline: Instant::now() + deadline,
            cpu: CpuClock::start(tenant).allowance(limits.cpu_budget(), limits.sql_cpu()),
            links: view.links().clone(),
            sources: None,
        }
    }
}

/// The keys of tenants' secrets.
async fn open_seals(data: &Path) -> anyhow::Result<Arc<Seals>> {
    let data = data.to_owned();
    let seals = tokio::task::spawn_blocking(move || Seals::open(&data)).await?;
    Ok(Arc::new(seals.context("the secrets that tenants have set cannot be opened")?))
}
