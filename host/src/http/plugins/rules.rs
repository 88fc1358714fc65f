//! What an endpoint's rules say to clients: how often they may call, and whether an answer was kept.
//!
//! The fields `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10, the last revision
//! of that draft. The policy is called `endpoint`: it is one tenant's, for one endpoint or all that name its function.

use http::Method;
use http::header::{AGE, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};

use super::door;
use crate::http::envelope::ApiError;
use crate::id::TenantId;
use crate::registry::Plugin;
use crate::registry::endpoint::{Endpoint, Target};
use crate::runtime::{Allowance, Origin, RateRule, Rules, Runtime, Want};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Counts a request against the rules of the endpoint that takes it. A plugin's own handler may read paths more kindly
/// than the host, so there all endpoints count that it might mean ([`door::meant`]), each once.
///
/// # Errors
///
/// 429 when the tenant has made too many.
pub(super) fn admit(
    runtime: &Runtime,
    tenant: &TenantId,
    plugin: &Plugin,
    endpoint: Option<&Endpoint>,
    (method, path): (&Method, &str),
) -> Result<Option<Allowance>, ApiError> {
    let own = endpoint.and_then(Endpoint::rate);
    if let Some(Endpoint { target: Target::Function(_), .. }) = endpoint {
        return own.map(|rule| runtime.admit(rule, tenant)).transpose().map_err(ApiError::from);
    }
    if !plugin.endpoints.iter().any(|endpoint| endpoint.rate().is_some()) {
        return Ok(None);
    }
    let others = door::meant(plugin, endpoint, method, path).filter_map(Endpoint::rate);
    let mut rules: Vec<&RateRule> = own.into_iter().chain(others).collect();
    rules.sort_by(|a, b| a.counted.cmp(&b.counted));
    rules.dedup_by(|a, b| a.counted == b.counted);
    let mut least: Option<Allowance> = None;
    for rule in rules {
        let left = runtime.admit(rule, tenant)?;
        least = least.filter(|least| least.remaining <= left.remaining).or(Some(left));
    }
    Ok(least)
}

/// Whether the client has an answer that was kept. Its word counts only where the rate is limited: elsewhere it could
/// have everything computed anew as often as it likes.
pub(super) fn want(rules: &Rules, headers: &HeaderMap) -> Want {
    if rules.keep_for.is_none() || rules.rate.is_none() {
        return Want::Any;
    }
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let fresh = |directive: &str| directive.trim().eq_ignore_ascii_case("no-cache");
    if lines.flat_map(|line| line.split(',')).any(fresh) { Want::Fresh } else { Want::Any }
}

/// What is told with the answer.
#[derive(Default)]
pub(super) struct Told {
    pub(super) allowance: Option<Allowance>,
    pub(super) origin: Option<Origin>,
}

impl Told {
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Some(Allowance { per_minute, remaining, whole_after_s }) = self.allowance {
            rate(headers, per_minute, remaining, whole_after_s);
        }
        let told = match self.origin {
            None | Some(Origin::Call) => return,
            Some(Origin::Miss) => "miss",
            Some(Origin::Bypass) => "bypass",
            Some(Origin::Kept(age)) => {
                headers.insert(AGE, HeaderValue::from(age.as_secs()));
                "hit"
            }
        };
        headers.insert(X_CACHE, HeaderValue::from_static(told));
    }
}

/// So many a minute, so many of them left, and in so many seconds more.
pub(in crate::http) fn rate(headers: &mut HeaderMap, per_minute: u32, remaining: u32, seconds: u64) {
    let mut set = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    set(RATE_LIMIT_POLICY, format!("\"endpoint\";q={per_minute};w=60"));
    set(RATE_LIMIT, format!("\"endpoint\";r={remaining};t={seconds}"));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::PluginId;
    use crate::runtime::PerMinute;

    #[test]
    fn a_client_has_an_answer_made_anew_only_where_it_cannot_do_so_without_end() {
        let rate = || {
            let per_minute = PerMinute::new(5).unwrap();
            Some(RateRule::new(PluginId::parse("crm").unwrap(), String::new(), String::new(), per_minute))
        };
        let kept = Some(Duration::from_secs(1));
        let asked = |line: &'static str| HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(line))]);
        let rules = |rate, keep_for| Rules { rate, keep_for, ..Rules::default() };
        assert_eq!(want(&rules(rate(), kept), &asked("max-age=0, No-Cache")), Want::Fresh);
        assert_eq!(want(&rules(rate(), kept), &asked("no-cache-at-all, max-age=0")), Want::Any);
        assert_eq!(want(&rules(None, kept), &asked("no-cache")), Want::Any);
        assert_eq!(want(&rules(rate(), None), &asked("no-cache")), Want::Any);
        assert_eq!(want(&rules(rate(), kept), &HeaderMap::new()), Want::Any);
    }
}
