//! How much of the machine each tenant has lately used.
//!
//! A tenant's use is the CPU time its requests took. It is forgotten by and by: after [`LATELY`], a third of it
//! is left. Its share is that of all processors divided by the number of tenants active in the last one to two
//! [`PERIOD`]s. So who is alone is never over its share, and tenants that all keep to theirs use no more than
//! the machine has. What a tenant over its share has to do is said in [`super::turns`].
//!
//! Of a tenant without requests nothing is kept once its use is forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::changes::Changes;
use super::troubles::Troubles;
use crate::capability::outbound::Room;
use crate::config::TenantConfig;
use crate::id::TenantId;

const LATELY: Duration = Duration::from_millis(200);
const PERIOD: Duration = Duration::from_secs(1);

/// Use below this counts as forgotten.
const FORGOTTEN: Duration = Duration::from_micros(1);

/// The least number of entries at which forgotten ones are looked for.
const SWEEP_MIN: usize = 1_024;

/// All tenants that have requests under way or had some lately.
pub(super) struct Tenants {
    activity: Arc<Activity>,
    depths: usize,
    config: TenantConfig,
    known: RwLock<Known>,
}

struct Known {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    sweep_at: usize,
}

/// What one tenant uses, over all its requests.
pub struct Tenant {
    id: TenantId,
    activity: Arc<Activity>,
    used: Mutex<Used>,
    /// Whether it was over its share when that was last looked at.
    over_share: AtomicBool,
    /// The period in which it was last seen active, and in which one of its requests was last refused.
    seen: AtomicU64,
    refused: AtomicU64,
    /// Its instances at each depth. [`super::slots`] changes them, under the lock of the depth.
    pub(super) held: Box<[AtomicU32]>,
    /// Its statements that may still begin on threads of their own.
    pub(super) sql_threads: Arc<Semaphore>,
    /// Places for its requests to hosts outside.
    pub(super) outbound: Room,
    /// What may have changed since answers were kept.
    pub(super) changes: Changes,
    /// What fails for it.
    pub(super) troubles: Troubles,
}

struct Used {
    nanos: f64,
    at: Instant,
}

impl Tenants {
    pub(super) fn new(processors: usize, depth_max: u8, config: &TenantConfig) -> Self {
        let known = Known { tenants: HashMap::new(), sweep_at: SWEEP_MIN };
        let depths = usize::from(depth_max) + 1;
        Self {
            activity: Arc::new(Activity::new(processors)),
            depths,
            config: config.clone(),
            known: RwLock::new(known),
        }
    }

    /// The tenant of this id, the same for all its requests under way.
    pub(super) fn get(&self, id: &TenantId) -> Arc<Tenant> {
        if let Some(tenant) = self.known.read().unwrap_or_else(PoisonError::into_inner).tenants.get(id) {
            return tenant.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.tenants.len() >= known.sweep_at {
            let now = Instant::now();
            known.tenants.retain(|_, tenant| Arc::strong_count(tenant) > 1 || !tenant.is_forgotten(now));
            known.sweep_at = (known.tenants.len() * 2).max(SWEEP_MIN);
        }
        let new = || Arc::new(Tenant::new(id.clone(), self.activity.clone(), self.depths, &self.config));
        known.tenants.entry(id.clone()).or_insert_with(new).clone()
    }

    /// Those for which some plugin has failed lately.
    pub(super) fn in_trouble(&self) -> Vec<Arc<Tenant>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.tenants.values().filter(|tenant| tenant.troubles.any()).cloned().collect()
    }
}

impl Tenant {
    fn new(id: TenantId, activity: Arc<Activity>, depths: usize, config: &TenantConfig) -> Self {
        Self {
            id,
            activity,
            used: Mutex::new(Used { nanos: 0.0, at: Instant::now() }),
            over_share: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            held: (0..depths).map(|_| AtomicU32::new(0)).collect(),
            sql_threads: Arc::new(Semaphore::new(config.sql_threads)),
            outbound: Room::new("tenant.outbound_requests", config.outbound_requests),
            changes: Changes::default(),
            troubles: Troubles::default(),
        }
    }

    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Adds CPU time that was used for the tenant.
    pub fn charge(&self, time: Duration) {
        let now = Instant::now();
        let period = self.activity.period(now);
        if self.seen.swap(period, Ordering::Relaxed) != period {
            self.activity.count(period);
        }
        let used = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            *used = Used { nanos: used.left(now) + time.as_nanos() as f64, at: now };
            used.nanos
        };
        self.over_share.store(used > self.activity.share(), Ordering::Relaxed);
    }

    /// The CPU time it has used, as far as it is not forgotten, in nanoseconds.
    pub(super) fn used_lately(&self, now: Instant) -> f64 {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).left(now)
    }

    /// True when it has lately used more than its share.
    pub(super) fn is_over_share(&self) -> bool {
        // Only those that are need to look at the time.
        if !self.over_share.load(Ordering::Relaxed) {
            return false;
        }
        let over = self.used_lately(Instant::now()) > self.activity.share();
        self.over_share.store(over, Ordering::Relaxed);
        over
    }

    /// True when it has lately used more than twice its share.
    pub(super) fn is_far_over_share(&self) -> bool {
        self.used_lately(Instant::now()) > 2.0 * self.activity.share()
    }

    /// True for the first of its requests that is refused in a period, which is the one to be told of.
    pub(super) fn is_first_refusal(&self) -> bool {
        let period = self.activity.period(Instant::now());
        self.refused.swap(period, Ordering::Relaxed) != period
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        let remembered = self.changes.are_watched() || self.troubles.are_remembered(now);
        !remembered && self.used_lately(now) < FORGOTTEN.as_nanos() as f64
    }
}

impl Used {
    fn left(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.nanos * (-passed / LATELY.as_secs_f64()).exp()
    }
}

/// How many tenants are active.
struct Activity {
    begun: Instant,
    /// What all processors together can do, as it would be remembered.
    capacity: f64,
    counted: Mutex<Counted>,
    active: AtomicU32,
}

#[derive(Default)]
struct Counted {
    period: u64,
    in_period: u32,
    in_last: u32,
}

impl Activity {
    fn new(processors: usize) -> Self {
        Self {
            begun: Instant::now(),
            capacity: processors as f64 * LATELY.as_nanos() as f64,
            counted: Mutex::default(),
            active: AtomicU32::new(0),
        }
    }

    /// Numbered from 1, so that 0 is none.
    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / PERIOD.as_secs() + 1
    }

    /// Counts one more tenant in this period.
    fn count(&self, period: u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if period > counted.period {
            let in_last = if period == counted.period + 1 { counted.in_period } else { 0 };
            *counted = Counted { period, in_period: 0, in_last };
        }
        counted.in_period += 1;
        self.active.store(counted.in_period.max(counted.in_last), Ordering::Relaxed);
    }

    /// What each may have used lately, in nanoseconds.
    fn share(&self) -> f64 {
        match self.active.load(Ordering::Relaxed) {
            0 | 1 => f64::INFINITY,
            active => self.capacity / f64::from(active),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The tenants of a machine with two processors.
    pub fn tenants() -> Tenants {
        Tenants::new(2, 8, &TenantConfig::default())
    }

    pub fn tenant(tenants: &Tenants, id: &str) -> Arc<Tenant> {
        tenants.get(&TenantId::parse(id).unwrap())
    }

    #[test]
    fn whoever_is_alone_is_never_over_its_share() {
        let tenants = tenants();
        let busy = tenant(&tenants, "busy");
        busy.charge(Duration::from_secs(100));
        assert!(!busy.is_over_share());
        tenant(&tenants, "other").charge(Duration::from_micros(1));
        busy.charge(Duration::ZERO);
        assert!(busy.is_over_share() && !tenant(&tenants, "other").is_over_share());
    }

    #[test]
    fn a_share_is_what_the_processors_do_divided_by_who_is_active() {
        let tenants = tenants();
        let all: Vec<_> = (0..100).map(|index| tenant(&tenants, &format!("tenant-{index}"))).collect();
        // Of 400 ms each may have 4.
        all.iter().for_each(|tenant| tenant.charge(Duration::from_millis(2)));
        assert!(all.iter().all(|tenant| !tenant.is_over_share()));
        all[7].charge(Duration::from_millis(20));
        assert!(all.iter().all(|tenant| tenant.is_over_share() == (tenant.id().as_str() == "tenant-7")));
        all[8].charge(Duration::from_millis(4));
        assert!(all[7].is_far_over_share() && all[8].is_over_share() && !all[8].is_far_over_share());
    }

    #[test]
    fn use_is_forgotten() {
        let tenants = tenants();
        let busy = tenant(&tenants, "busy");
        busy.charge(Duration::from_millis(100));
        let now = Instant::now();
        let third = busy.used_lately(now + LATELY) / busy.used_lately(now);
        assert!((0.3..0.4).contains(&third), "{third}");
        assert!(!busy.is_forgotten(now) && busy.is_forgotten(now + LATELY * 20));
    }

    #[test]
    fn tenants_without_requests_are_not_kept() {
        let tenants = tenants();
        let busy = tenant(&tenants, "busy");
        (0..10 * SWEEP_MIN).for_each(|index| drop(tenant(&tenants, &format!("tenant-{index}"))));
        assert!(tenants.known.read().unwrap().tenants.len() <= SWEEP_MIN);
        assert!(Arc::ptr_eq(&busy, &tenant(&tenants, "busy")), "one under way is the same for all its requests");
    }
}
