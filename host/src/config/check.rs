//! The rules that types cannot say. Every number is at least 1 unless it is named here.

use toml::Value;

use super::Config;
use super::error::Broken;

const MIB: usize = 1 << 20;

/// Settings for which 0 means something: none kept, none held back, at once.
const MAY_BE_ZERO: &[&str] = &[
    "http.http2_pending_resets_max",
    "http.shutdown_grace_ms",
    "limits.depth_max",
    "limits.hop_reserve_percent",
    "pool.memory_keep_resident_bytes",
    "pool.table_keep_resident_bytes",
    "pool.unused_warm_slots",
];

/// The first rule that the settings break.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    dev_stays_on_loopback(config)?;
    numbers_are_not_zero(config)?;
    call_limits_fit_together(config)?;
    connections_can_be_served(config)
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
    for (section, value) in &table {
        let Value::Table(fields) = value else { continue };
        for (name, value) in fields {
            let key = format!("{section}.{name}");
            let allowed = *value != Value::Integer(0) || MAY_BE_ZERO.contains(&key.as_str());
            require(allowed, || Broken {
                fix: format!("leave `{name}` out of [{section}] for its default, or set the limit you mean"),
                key,
                found: "0".into(),
                expected: "at least 1: there is no way to say \"unlimited\"".into(),
            })?;
        }
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
    require(pool.instances > depth_max, || Broken {
        key: "pool.instances".into(),
        found: pool.instances.to_string(),
        expected: format!("more than limits.depth_max, which is {depth_max}: a place for each depth"),
        fix: format!("set it to {} or more, or lower limits.depth_max", depth_max + 1),
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
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    require(http.connections_max <= most, || Broken {
        key: "http.connections_max".into(),
        found: http.connections_max.to_string(),
        expected: format!("at most {most}"),
        fix: "set it to what the machine's open-file limit allows".into(),
    })
}

fn require(kept: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(broken()) }
}
