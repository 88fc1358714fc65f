//! The functions of the interface, each with its name.

use wasmtime::component::{HasData, Linker, Resource};

use super::{Fallible, SharedDataError, SharedDataFault, SharedDataView};
use crate::bindings::tenon::host::shared_data as wit;
use crate::capability::sql::{ABSENT, Deed, Shared, TransactionHandle};
use crate::fault;

impl wit::Host for SharedDataView<'_> {
    async fn get(&mut self, namespace: String, key: String) -> Fallible<Option<wit::Entry>> {
        fault::point("tenon:host/shared-data.get");
        Ok(self.fetch(&namespace, &key).await?)
    }

    async fn list_keys(&mut self, namespace: String, cursor: Option<String>) -> Fallible<wit::KeyPage> {
        fault::point("tenon:host/shared-data.list-keys");
        Ok(self.list(&namespace, cursor).await?)
    }

    async fn set(&mut self, namespace: String, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Fallible<u64> {
        fault::point("tenon:host/shared-data.set");
        let deed = self.setting(value, ttl_ms, None)?;
        Ok(version(self.change(&namespace, key, deed).await?)?)
    }

    async fn set_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        namespace: String,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Fallible<u64> {
        fault::point("tenon:host/shared-data.set-in");
        let deed = self.setting(value, ttl_ms, None)?;
        Ok(version(self.change_in(transaction, &namespace, key, deed).await?)?)
    }

    async fn compare_and_swap(
        &mut self,
        namespace: String,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Fallible<u64> {
        fault::point("tenon:host/shared-data.compare-and-swap");
        // A number that no version has is lost to whatever is there.
        let expected =
            expected.map_or(ABSENT, |version| i64::try_from(version).ok().filter(|at| *at > 0).unwrap_or(-1));
        let deed = self.setting(value, ttl_ms, Some(expected))?;
        Ok(version(self.change(&namespace, key, deed).await?)?)
    }

    async fn delete(&mut self, namespace: String, key: String) -> Fallible<bool> {
        fault::point("tenon:host/shared-data.delete");
        Ok(self.change(&namespace, key, Deed::Delete).await? != Shared::Unchanged)
    }

    async fn delete_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        namespace: String,
        key: String,
    ) -> Fallible<bool> {
        fault::point("tenon:host/shared-data.delete-in");
        Ok(self.change_in(transaction, &namespace, key, Deed::Delete).await? != Shared::Unchanged)
    }

    fn convert_error(&mut self, fault: SharedDataFault) -> wasmtime::Result<wit::Error> {
        Ok(match fault {
            SharedDataFault::Guest(SharedDataError::Denied(why)) => wit::Error::Denied(why),
            SharedDataFault::Guest(SharedDataError::Invalid(why)) => wit::Error::Invalid(why),
            SharedDataFault::Guest(SharedDataError::TooLarge(why)) => wit::Error::TooLarge(why),
            SharedDataFault::Guest(SharedDataError::Quota(limit)) => wit::Error::Quota(limit),
            SharedDataFault::Guest(SharedDataError::Conflict(version)) => wit::Error::Conflict(version),
            SharedDataFault::Guest(SharedDataError::Unavailable(why)) => wit::Error::Unavailable(why),
            SharedDataFault::Handle(error) => return Err(error.into()),
        })
    }
}

/// The version that a value was set under.
fn version(done: Shared) -> Result<u64, SharedDataError> {
    match done {
        Shared::Changed(version) => Ok(version.unsigned_abs()),
        Shared::Unchanged | Shared::Lost(ABSENT) => Err(SharedDataError::Conflict(None)),
        Shared::Lost(version) => Err(SharedDataError::Conflict(Some(version.unsigned_abs()))),
    }
}

/// Adds the interface to a linker whose stores can give a [`SharedDataView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> SharedDataView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasSharedData>(linker, view)
}

struct HasSharedData;

impl HasData for HasSharedData {
    type Data<'a> = SharedDataView<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_lost_to_nothing_is_a_conflict_with_nothing() {
        assert_eq!(version(Shared::Changed(7)), Ok(7));
        assert_eq!(version(Shared::Lost(3)), Err(SharedDataError::Conflict(Some(3))));
        assert_eq!(version(Shared::Lost(ABSENT)), Err(SharedDataError::Conflict(None)));
    }
}
