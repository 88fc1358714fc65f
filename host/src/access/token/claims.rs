//! The inside of a token: what it must say to count here, and what it makes of its bearer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::access::{Principal, Reach, Refused, Within};
use crate::config::{JwtConfig, RolesConfig};
use crate::id::{RoleName, TenantId, UserId};
use crate::permission::PermissionSet;

/// The name of the role that has every tenant within reach. A token makes nobody one by naming it.
const OPERATOR: &str = "operator";
/// How the names of keys begin, which no user may have.
const OF_KEYS: &str = "key:";

/// Reads claims whose signature was found right.
pub(super) struct Reader {
    config: JwtConfig,
    roles: RolesConfig,
}

impl Reader {
    pub(super) fn new(config: &JwtConfig, roles: RolesConfig) -> Self {
        Self { config: config.clone(), roles }
    }

    /// Whose claims these are, and until when they count.
    pub(super) fn read(&self, payload: &[u8], now: Timestamp) -> Result<(Principal, Timestamp), Refused> {
        let claims: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| Refused::Token("has claims that are no JSON object"))?;
        let until = self.counts_here(&claims, now)?;
        Ok((self.principal(&claims)?, until))
    }

    /// Issuer, audience and times; until when it counts.
    fn counts_here(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, Refused> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.config.issuer) {
            return Err(Refused::Token("is of another issuer (`iss`)"));
        }
        let is_ours = |audience: &Value| audience.as_str() == Some(&self.config.audience);
        if !claims
            .get("aud")
            .is_some_and(|aud| is_ours(aud) || aud.as_array().is_some_and(|all| all.iter().any(is_ours)))
        {
            return Err(Refused::Token("is meant for somebody else (`aud`)"));
        }
        let leeway = SignedDuration::from_secs(i64::try_from(self.config.leeway_s).unwrap_or(i64::MAX));
        let end = match claims.get("exp") {
            Some(exp) => time(exp).ok_or(Refused::Token("has an end (`exp`) that is no time"))?,
            None => return Err(Refused::Token("has no end (`exp`)")),
        };
        // The end of all times is far enough where the leeway leads beyond it.
        let until = end.checked_add(leeway).unwrap_or(Timestamp::MAX);
        if until <= now {
            return Err(Refused::Token("has expired (`exp`)"));
        }
        if let Some(nbf) = claims.get("nbf") {
            let begin = time(nbf).ok_or(Refused::Token("has a beginning (`nbf`) that is no time"))?;
            if begin.checked_sub(leeway).unwrap_or(Timestamp::MIN) > now {
                return Err(Refused::Token("does not count yet (`nbf`)"));
            }
        }
        Ok(until)
    }

    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, Refused> {
        let user = find(claims, &self.config.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| !user.starts_with(OF_KEYS)).and_then(|user| UserId::parse(user).ok());
        let user = user.ok_or(Refused::Token("names no user (auth.jwt.user_claim)"))?;
        let name = format!("user:{user}");
        let roles = find(claims, &self.config.roles_claim);
        if self.is_operator(roles) {
            let roles: Vec<RoleName> = RoleName::parse(OPERATOR).into_iter().collect();
            let permissions = self.roles.permissions(&roles);
            return Ok(Principal { name, user: Some(user), roles, permissions, reach: Reach::Every, within: None });
        }
        let by_tenant = roles.and_then(Value::as_object);
        let tenants: BTreeSet<TenantId> = match (find(claims, &self.config.tenant_claim), by_tenant) {
            (Some(tenants), _) => texts(tenants).filter_map(|tenant| TenantId::parse(tenant).ok()).collect(),
            (None, Some(by_tenant)) => by_tenant.keys().filter_map(|tenant| TenantId::parse(tenant).ok()).collect(),
            (None, None) => BTreeSet::new(),
        };
        let mut principal = Principal {
            name,
            user: Some(user),
            roles: Vec::new(),
            permissions: PermissionSet::none(),
            reach: Reach::Only(tenants.iter().cloned().collect()),
            within: None,
        };
        match by_tenant {
            Some(by_tenant) => {
                let within = tenants.into_iter().map(|tenant| {
                    let there = self.within(by_tenant.get(tenant.as_str()));
                    (tenant, there)
                });
                principal.within = Some(Arc::new(within.collect::<BTreeMap<_, _>>()));
            }
            None => Within { roles: principal.roles, permissions: principal.permissions } = self.within(roles),
        }
        Ok(principal)
    }

    /// Of roles by tenant there are none that count everywhere.
    fn is_operator(&self, roles: Option<&Value>) -> bool {
        let wanted = self.config.operator_role.as_str();
        !wanted.is_empty() && roles.is_some_and(|roles| texts(roles).any(|role| role == wanted))
    }

    /// What these roles make of somebody. Roles that are none of ours mean nothing here.
    fn within(&self, roles: Option<&Value>) -> Within {
        let named = roles.into_iter().flat_map(texts).filter(|role| *role != OPERATOR);
        let roles: BTreeSet<RoleName> = named.filter_map(|role| RoleName::parse(role).ok()).collect();
        let roles: Vec<RoleName> = roles.into_iter().filter(|role| self.roles.contains(role)).collect();
        Within { permissions: self.roles.permissions(&roles), roles }
    }
}

/// The claim of this name; else, by the dots, one within another. Null is none.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim).filter(|claim| !claim.is_null());
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// The texts of a list, or of a text with spaces.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    list.chain(value.as_str().into_iter().flat_map(str::split_ascii_whitespace))
}

/// A number of seconds since 1970, with or without a fraction. A text is none.
fn time(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?;
    if let Some(seconds) = number.as_i64() {
        return Timestamp::from_second(seconds).ok();
    }
    let seconds = SignedDuration::try_from_secs_f64(number.as_f64()?).ok()?;
    Timestamp::from_duration(seconds).ok()
}
