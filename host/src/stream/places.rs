//! How many streams there are: in all, of a tenant, and of a principal in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::TenantId;

pub(super) struct Places {
    most: usize,
    most_of_tenant: usize,
    most_of_principal: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// By tenant and principal; nobody is here who has none.
    tenants: HashMap<TenantId, HashMap<String, usize>>,
}

/// There are as many streams as there may be: the setting, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{most} streams are open ({setting}); close one, or try again later")]
pub struct TooMany {
    setting: &'static str,
    most: usize,
}

/// The place of one stream. Dropped, it is free for another.
pub(super) struct Place {
    places: Arc<Places>,
    tenant: TenantId,
    principal: String,
}

impl Places {
    pub fn new(most: usize, most_of_tenant: usize, most_of_principal: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_tenant, most_of_principal, taken: Mutex::default() })
    }

    pub fn take(self: &Arc<Self>, tenant: &TenantId, principal: &str) -> Result<Place, TooMany> {
        let mut taken = self.taken();
        let of_tenant = taken.tenants.get(tenant);
        let of_principal = of_tenant.and_then(|principals| principals.get(principal)).copied().unwrap_or(0);
        let of_tenant = of_tenant.map_or(0, |principals| principals.values().sum());
        for (found, most, setting) in [
            (of_principal, self.most_of_principal, "stream.principal_streams"),
            (of_tenant, self.most_of_tenant, "stream.tenant_streams"),
            (taken.all, self.most, "stream.streams"),
        ] {
            if found >= most {
                return Err(TooMany { setting, most });
            }
        }
        taken.all += 1;
        *taken.tenants.entry(tenant.clone()).or_default().entry(principal.to_owned()).or_default() += 1;
        Ok(Place { places: self.clone(), tenant: tenant.clone(), principal: principal.to_owned() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let Some(principals) = taken.tenants.get_mut(&self.tenant) else { return };
        if let Some(streams) = principals.get_mut(&self.principal) {
            *streams -= 1;
            if *streams == 0 {
                principals.remove(&self.principal);
            }
        }
        if principals.is_empty() {
            taken.tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_and_what_is_given_back_is_free() {
        let places = Places::new(5, 3, 2);
        let [a, b] = ["a", "b"].map(|id| TenantId::parse(id).unwrap());
        let refused =
            |tenant: &TenantId, principal: &str| places.take(tenant, principal).err().map(|many| many.setting);
        let (first, _second) = (places.take(&a, "jo").unwrap(), places.take(&a, "jo").unwrap());
        assert_eq!(refused(&a, "jo"), Some("stream.principal_streams"));
        let third = places.take(&a, "al").unwrap();
        assert_eq!(refused(&a, "al"), Some("stream.tenant_streams"));
        let _others = [places.take(&b, "jo").unwrap(), places.take(&b, "jo").unwrap()];
        assert_eq!(refused(&b, "al"), Some("stream.streams"));
        drop((first, third));
        let again = places.take(&a, "jo").unwrap();
        drop(again);
        assert_eq!(places.taken().all, 3);
        assert_eq!(places.taken().tenants[&a].len(), 1, "nobody is remembered who has no stream");
    }
}
