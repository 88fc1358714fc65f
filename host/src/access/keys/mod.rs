//! API keys.
//!
//! The database has a keyed hash of each secret, whose key lies in a file beside it, so neither of the two alone lets
//! anybody in. What was read once is kept ([`Cached`]), so a request costs one HMAC. A change made in this process takes
//! effect at once; one of another process on the same database within `auth.keys_refresh_ms`, because each change has a
//! revision and the host asks for those it has not seen. Bound: `auth.cached_keys`.

mod cache;
mod make;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::cache::{Cache, Cached};
pub use self::make::{Made, Order};
use super::text::KeyText;
use super::{AccessError, Principal, Reach, Refused};
use crate::config::{Config, RolesConfig};
use crate::db::{ApiKey, ControlPlane, DbError};
use crate::id::{KeyId, RoleName, TenantId, UserId};
use crate::permission::{PermissionPattern, PermissionSet};
use crate::secret;

/// Uses that wait to be written down. More are left for the next time.
const USES_WAITING: usize = 1_024;

/// The keys of the installation.
pub struct Keys {
    control: Arc<dyn ControlPlane>,
    roles: RolesConfig,
    /// Keyed, before anything was hashed.
    mac: Hmac<Sha256>,
    cache: Cache,
    last_use_interval: Duration,
    per_tenant: u32,
    used: mpsc::Sender<(KeyId, Timestamp)>,
}

impl Keys {
    /// Reads the key of the keys, which is made at the first start, and begins to follow changes.
    ///
    /// # Errors
    ///
    /// When the key file is damaged or cannot be used, or the control plane cannot be read.
    pub(super) async fn open(control: Arc<dyn ControlPlane>, config: &Config) -> Result<Arc<Self>, AccessError> {
        let path = key_path(config);
        let unusable = |source| AccessError::KeyFile { file: path.display().to_string(), source };
        let key = secret::key_file(&path).map_err(unusable)?;
        let mac = Hmac::new_from_slice(&key).map_err(|_| unusable(std::io::ErrorKind::InvalidData.into()))?;
        let revision = control.key_revision().await?;
        let (used, uses) = mpsc::channel(USES_WAITING);
        let keys = Arc::new(Self {
            control,
            roles: config.roles.clone(),
            mac,
            cache: Cache::new(config.auth.cached_keys),
            last_use_interval: config.auth.last_use_interval(),
            per_tenant: config.auth.keys_per_tenant,
            used,
        });
        tokio::spawn(follow(Arc::downgrade(&keys), revision, config.auth.keys_refresh(), uses));
        Ok(keys)
    }

    /// Whose key this is, if that can be told without the database.
    pub(super) fn known(&self, text: &str) -> Option<Result<Principal, Refused>> {
        let Some(key) = KeyText::parse(text) else { return Some(Err(Refused::NoSuchKey)) };
        Some(self.judge(&key, &*self.cache.get(&key.id)?))
    }

    /// Whose key this is.
    pub(super) async fn find(&self, text: &str) -> Result<Principal, Refused> {
        let key = KeyText::parse(text).ok_or(Refused::NoSuchKey)?;
        let reading = self.cache.reading();
        let row = self.control.key_fetch(key.id.as_str()).await?.ok_or(Refused::NoSuchKey)?;
        let cached = Arc::new(self.cached(row).ok_or(Refused::NoSuchKey)?);
        let judged = self.judge(&key, &cached);
        if judged.is_ok() {
            self.cache.put(key.id, cached, reading);
        }
        judged
    }

    fn judge(&self, shown: &KeyText, key: &Cached) -> Result<Principal, Refused> {
        // In constant time, and before anything is said of the key.
        self.mac(shown).verify_slice(&key.mac).map_err(|_| Refused::NoSuchKey)?;
        let now = Timestamp::now();
        if key.revoked {
            return Err(Refused::Revoked);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Refused::Expired);
        }
        if key.is_use_due(now, self.last_use_interval) {
            // When too many wait, this use is not noted; a later one is.
            _ = self.used.try_send((shown.id.clone(), now));
        }
        Ok(key.principal.clone())
    }

    /// A key as it is kept; none for a row that this version cannot have written.
    fn cached(&self, row: ApiKey) -> Option<Cached> {
        let role = RoleName::parse(&row.role).ok()?;
        let reach = match row.tenant {
            Some(tenant) => Reach::Only(vec![TenantId::parse(&tenant).ok()?]),
            None => Reach::Every,
        };
        let name = format!("key:{}", row.id);
        let principal = Principal {
            user: Some(UserId::parse(&name).ok()?),
            name,
            permissions: self.permissions(&role, &row.permissions)?,
            roles: vec![role],
            reach,
            within: None,
        };
        Some(Cached::new(principal, row.mac, row.expires_at, row.revoked_at.is_some(), row.used_at))
    }

    /// What a key may do.
    fn permissions(&self, role: &RoleName, more: &[String]) -> Option<PermissionSet> {
        let more = more.iter().map(|pattern| PermissionPattern::parse(pattern).ok());
        let more: PermissionSet = more.collect::<Option<Vec<_>>>()?.into_iter().collect();
        Some(self.roles.permissions(std::slice::from_ref(role)).or(&more))
    }

    fn mac(&self, key: &KeyText) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(key.id.as_str().as_bytes());
        mac.update(&key.secret);
        mac
    }

    /// Revokes a key for good; from now on it lets nobody in. False when it was revoked before, or there is none.
    ///
    /// # Errors
    ///
    /// When the control plane cannot write.
    pub async fn revoke(&self, key: &KeyId) -> Result<bool, DbError> {
        let revoked = self.control.key_revoke(key.as_str(), Timestamp::now()).await;
        self.cache.forget(key);
        revoked
    }

    /// Lets a key end at this time. False when there is none, it was revoked, or it ends earlier already.
    ///
    /// # Errors
    ///
    /// When the control plane cannot write.
    pub async fn expire(&self, key: &KeyId, at: Timestamp) -> Result<bool, DbError> {
        let expired = self.control.key_expire(key.as_str(), at).await;
        self.cache.forget(key);
        expired
    }
}

/// Where the key of the keys lies.
fn key_path(config: &Config) -> PathBuf {
    config.data.join("keys").join("api-keys.key")
}

/// Writes uses down and hears of other processes' changes, as long as the keys are there.
async fn follow(keys: Weak<Keys>, mut revision: i64, every: Duration, mut uses: mpsc::Receiver<(KeyId, Timestamp)>) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let used = tokio::select! {
            used = uses.recv() => match used {
                Some(used) => Some(used),
                None => return,
            },
            _ = ticks.tick() => None,
        };
        let Some(keys) = keys.upgrade() else { return };
        let done = match used {
            Some((key, at)) => keys.control.key_used(key.as_str(), at).await,
            None => keys.control.key_changes(revision).await.map(|(changed, last)| {
                changed.iter().filter_map(|key| KeyId::parse(key).ok()).for_each(|key| keys.cache.forget(&key));
                revision = last;
            }),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "API keys could not be followed; trying again");
        }
    }
}

#[cfg(test)]
mod tests;
