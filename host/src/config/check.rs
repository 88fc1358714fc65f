//! The rules that types cannot say. Every number is at least 1 unless it is named here.

mod tokens;

use toml::Value;

use super::Config;
use super::error::Broken;

const MIB: usize = 1 << 20;

/// Settings for which 0 means something: none kept, none held back, at once.
const MAY_BE_ZERO: &[&str] = &[
    "auth.jwt.leeway_s",
    "events.request_sample_per_mille",
    "http.drain_ms",
    "http.http2_pending_resets_max",
    "http.linger_ms",
    "http.shutdown_grace_ms",
    "http.wait_min_ms",
    "limits.depth_max",
    "limits.hop_cpu_min_percent",
    "limits.hop_reserve_percent",
    "loader.rescan_ms",
    "pool.memory_keep_resident_bytes",
    "pool.stack_keep_resident_bytes",
    "pool.table_keep_resident_bytes",
    "pool.unused_warm_slots",
];

type Rule = fn(&Config) -> Result<(), Broken>;

/// What holds between settings.
const RULES: &[Rule] = &[
    dev_stays_on_loopback,
    numbers_are_not_zero,
    |config| tokens::tokens_can_be_checked(&config.auth.jwt),
    call_limits_fit_together,
    events_fit_together,
    schedules_fit_together,
    a_log_holds_a_transaction,
    an_answer_fits_the_cache,
    connections_can_be_served,
    hosts_outside_can_be_asked,
    a_failure_can_be_logged,
    a_configuration_can_be_read_back,
];

/// The first rule that the settings break.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    RULES.iter().try_for_each(|rule| rule(config))
}

/// Each rule that they break, with the first setting that breaks it.
pub(super) fn all(config: &Config) -> Vec<Broken> {
    RULES.iter().filter_map(|rule| rule(config).err()).collect()
}

fn dev_stays_on_loopback(config: &Config) -> Result<(), Broken> {
    require(!config.dev || config.listen.ip().is_loopback(), || Broken {
        key: "listen".into(),
        found: config.listen.to_string(),
        expected: "a loopback address, because dev is on and the host then believes whatever tenant and user \
                   a client names, so everyone who can connect could read every tenant's data"
            .into(),
        fix: format!("listen on 127.0.0.1:{}, or leave dev off", config.listen.port()),
    })
}

fn numbers_are_not_zero(config: &Config) -> Result<(), Broken> {
    let Ok(Value::Table(table)) = Value::try_from(config) else { return Ok(()) };
    let mut sections = table.iter().filter_map(|(name, value)| Some((name.clone(), value.as_table()?)));
    sections.try_for_each(|(name, fields)| no_zero_in(&name, fields))
}

fn no_zero_in(section: &str, fields: &toml::Table) -> Result<(), Broken> {
    for (name, value) in fields {
        let key = format!("{section}.{name}");
        if let Value::Table(fields) = value {
            no_zero_in(&key, fields)?;
            continue;
        }
        let allowed = *value != Value::Integer(0) || MAY_BE_ZERO.contains(&key.as_str());
        require(allowed, || Broken {
            fix: format!("leave `{name}` out of [{section}] for its default, or set the limit you mean"),
            key,
            found: "0".into(),
            expected: "at least 1: there is no way to say \"unlimited\"".into(),
        })?;
    }
    Ok(())
}

fn call_limits_fit_together(config: &Config) -> Result<(), Broken> {
    let (limits, pool) = (&config.limits, &config.pool);
    let stack_min = limits.wasm_stack_bytes.saturating_add(MIB);
    require(limits.async_stack_bytes >= stack_min, || Broken {
        key: "limits.async_stack_bytes".into(),
        found: limits.async_stack_bytes.to_string(),
        expected: format!("at least {stack_min}: wasm_stack_bytes and 1 MiB for host functions at its edge"),
        fix: format!("set it to {stack_min} or more, or lower limits.wasm_stack_bytes"),
    })?;
    require(limits.hop_reserve_percent < 100, || Broken {
        key: "limits.hop_reserve_percent".into(),
        found: limits.hop_reserve_percent.to_string(),
        expected: "less than 100: something must be left for the nested call".into(),
        fix: "set it to 10".into(),
    })?;
    let kept = u32::from(limits.hop_reserve_percent) + u32::from(limits.hop_cpu_min_percent);
    require(kept < 100, || Broken {
        key: "limits.hop_cpu_min_percent".into(),
        found: limits.hop_cpu_min_percent.to_string(),
        expected: format!(
            "less than 100 together with limits.hop_reserve_percent, which is {}: else no nested call is made",
            limits.hop_reserve_percent
        ),
        fix: "set it to 10".into(),
    })?;
    require(limits.cpu_budget_ms >= limits.epoch_tick_ms, || Broken {
        key: "limits.cpu_budget_ms".into(),
        found: limits.cpu_budget_ms.to_string(),
        expected: format!("at least limits.epoch_tick_ms, which is {}", limits.epoch_tick_ms),
        fix: "raise the budget or lower the tick".into(),
    })?;
    require(limits.wall_deadline_ms >= limits.cpu_budget_ms, || Broken {
        key: "limits.wall_deadline_ms".into(),
        found: limits.wall_deadline_ms.to_string(),
        expected: format!("at least limits.cpu_budget_ms, which is {}", limits.cpu_budget_ms),
        fix: "raise the deadline or lower the budget".into(),
    })?;
    require(limits.memory_bytes <= 1 << 32, || Broken {
        key: "limits.memory_bytes".into(),
        found: limits.memory_bytes.to_string(),
        expected: "at most 4294967296 (4 GiB), all that a 32-bit memory can hold".into(),
        fix: "lower it".into(),
    })?;
    let depth_max = u32::from(limits.depth_max);
    for (key, instances) in [("tenant.instances", config.tenant.instances), ("pool.instances", pool.instances)] {
        require(instances > depth_max, || Broken {
            key: key.into(),
            found: instances.to_string(),
            expected: format!("more than limits.depth_max, which is {depth_max}: a place for each depth"),
            fix: format!("set it to {} or more, or lower limits.depth_max", depth_max + 1),
        })?;
    }
    Ok(())
}

fn an_answer_fits_the_cache(config: &Config) -> Result<(), Broken> {
    let cache = &config.cache;
    require(cache.entry_bytes as u64 <= cache.bytes, || Broken {
        key: "cache.entry_bytes".into(),
        found: cache.entry_bytes.to_string(),
        expected: format!("at most cache.bytes, which is {}", cache.bytes),
        fix: "lower it, or raise cache.bytes".into(),
    })
}

fn events_fit_together(config: &Config) -> Result<(), Broken> {
    let events = &config.events;
    require(events.lease_ms > events.handler_deadline_ms, || Broken {
        key: "events.lease_ms".into(),
        found: events.lease_ms.to_string(),
        expected: format!("more than events.handler_deadline_ms, which is {}", events.handler_deadline_ms),
        fix: "raise it, or the same event is handled twice at once".into(),
    })?;
    let lasts = events.waiting_s.saturating_add(events.dead_kept_s);
    require(events.handled_kept_s > lasts, || Broken {
        key: "events.handled_kept_s".into(),
        found: events.handled_kept_s.to_string(),
        expected: format!("more than {lasts}, which is events.waiting_s and events.dead_kept_s together"),
        fix: "raise it, or an event that is delivered late may have its effect twice".into(),
    })
}

fn schedules_fit_together(config: &Config) -> Result<(), Broken> {
    let schedules = &config.schedules;
    require(schedules.lease_ms > schedules.deadline_ms, || Broken {
        key: "schedules.lease_ms".into(),
        found: schedules.lease_ms.to_string(),
        expected: format!("more than schedules.deadline_ms, which is {}", schedules.deadline_ms),
        fix: "raise it, or a run that takes long is begun a second time beside itself".into(),
    })?;
    require(schedules.late_ms > schedules.lease_ms, || Broken {
        key: "schedules.late_ms".into(),
        found: schedules.late_ms.to_string(),
        expected: format!("more than schedules.lease_ms, which is {}", schedules.lease_ms),
        fix: "raise it, or a run whose process has ended always comes too late to be begun again".into(),
    })
}

fn a_log_holds_a_transaction(config: &Config) -> Result<(), Broken> {
    require(config.sql.log_bytes >= MIB as u64, || Broken {
        key: "sql.log_bytes".into(),
        found: config.sql.log_bytes.to_string(),
        expected: "at least 1048576 (1 MiB): what one transaction changes must fit, a plugin's migrations too".into(),
        fix: "set it to 1048576 or more, better a sixteenth more than sql.storage_bytes".into(),
    })
}

fn connections_can_be_served(config: &Config) -> Result<(), Broken> {
    let http = &config.http;
    require(http.header_bytes >= 8192, || Broken {
        key: "http.header_bytes".into(),
        found: http.header_bytes.to_string(),
        expected: "at least 8192 (8 KiB), the smallest buffer the HTTP server works with".into(),
        fix: "set it to 8192 or more".into(),
    })?;
    require(http.bodies_bytes >= http.body_bytes, || Broken {
        key: "http.bodies_bytes".into(),
        found: http.bodies_bytes.to_string(),
        expected: format!("at least http.body_bytes, which is {}: one body", http.body_bytes),
        fix: "set it to what many bodies at once may take of the machine's memory".into(),
    })?;
    let answers_min = config.limits.answer_bytes.saturating_mul(2);
    require(http.answers_bytes >= answers_min, || Broken {
        key: "http.answers_bytes".into(),
        found: http.answers_bytes.to_string(),
        expected: format!("at least {answers_min}, twice limits.answer_bytes: a part of it is for small answers"),
        fix: "set it to what answers that wait for slow clients may take of the machine's memory".into(),
    })?;
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    require(config.loader.compile_processes <= most, || Broken {
        key: "loader.compile_processes".into(),
        found: config.loader.compile_processes.to_string(),
        expected: format!("at most {most}"),
        fix: "set it to the number of processors or less".into(),
    })?;
    let niceness = config.loader.compile_niceness;
    require(niceness <= 19, || Broken {
        key: "loader.compile_niceness".into(),
        found: niceness.to_string(),
        expected: "at most 19, the lowest priority there is".into(),
        fix: "set it to 19 or less; 10 is the default".into(),
    })?;
    require(http.connections_max <= most, || Broken {
        key: "http.connections_max".into(),
        found: http.connections_max.to_string(),
        expected: format!("at most {most}"),
        fix: "set it to what the machine's open-file limit allows".into(),
    })
}

fn hosts_outside_can_be_asked(config: &Config) -> Result<(), Broken> {
    let outbound = &config.outbound;
    require(outbound.header_bytes >= 8192, || Broken {
        key: "outbound.header_bytes".into(),
        found: outbound.header_bytes.to_string(),
        expected: "at least 8192 (8 KiB), the smallest buffer the HTTP client works with".into(),
        fix: "set it to 8192 or more".into(),
    })?;
    require(outbound.dns_server().is_ok(), || Broken {
        key: "outbound.resolver".into(),
        found: outbound.resolver.clone(),
        expected: "the address and port of a DNS server, as `10.0.0.53:53`".into(),
        fix: "write it like that, or leave it empty to look names up as this machine does".into(),
    })?;
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    let places = [
        ("outbound.requests", outbound.requests),
        ("tenant.outbound_requests", config.tenant.outbound_requests),
        ("limits.outbound_requests", config.limits.outbound_requests),
    ];
    places.into_iter().try_for_each(|(key, places)| {
        require(places <= most, || Broken {
            key: key.into(),
            found: places.to_string(),
            expected: format!("at most {most}"),
            fix: "set it to what the machine's open-file limit allows".into(),
        })
    })
}

/// With less, a failed call with its backtrace would never be logged.
fn a_failure_can_be_logged(config: &Config) -> Result<(), Broken> {
    const LEAST: u64 = 16 << 10;
    let burst = config.log.tenant_burst_bytes;
    require(burst >= LEAST, || Broken {
        key: "log.tenant_burst_bytes".into(),
        found: burst.to_string(),
        expected: format!("at least {LEAST} (16 KiB): one failure with its backtrace"),
        fix: format!("set it to {LEAST} or more, and lower log.tenant_bytes_per_s instead"),
    })
}

/// Readers of JSON, the host's own among them, stop at 128 levels.
fn a_configuration_can_be_read_back(config: &Config) -> Result<(), Broken> {
    const MOST: usize = 100;
    require(config.tenant.config_depth <= MOST, || Broken {
        key: "tenant.config_depth".into(),
        found: config.tenant.config_depth.to_string(),
        expected: format!("at most {MOST}, so that whoever reads a value as JSON can"),
        fix: format!("set it to {MOST} or less"),
    })
}

fn require(kept: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(broken()) }
}
