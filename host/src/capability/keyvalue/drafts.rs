//! The two published drafts of the interface, over one implementation.
//!
//! `0.2.0-draft` is what wasmtime and wasmCloud use: cursors are `u64`, `increment` counts in `u64`, and there is no
//! compare-and-swap. `0.2.0-draft2` is what the working group made of it and Spin uses: cursors are texts, `increment`
//! counts in `s64`, and there is `cas`. Each name has the types of its publisher, since a component is linked by them.

use wasmtime::component::{HasData, Linker, Resource};

use super::{Bucket, Cas, KeyvalueError, KeyvalueFault, KeyvalueView, SwapFault};
use crate::bindings::wasi::{keyvalue0_2_0_draft as draft, keyvalue0_2_0_draft2 as draft2};

/// Where a listing goes on, as a plugin holds it: the number of the last key it was given.
trait Cursor: Sized {
    fn after(self) -> Option<i64>;
    fn from_number(number: i64) -> Self;
}

impl Cursor for u64 {
    fn after(self) -> Option<i64> {
        self.try_into().ok()
    }

    fn from_number(number: i64) -> Self {
        number.unsigned_abs()
    }
}

impl Cursor for String {
    fn after(self) -> Option<i64> {
        self.parse().ok()
    }

    fn from_number(number: i64) -> Self {
        number.to_string()
    }
}

fn after<C: Cursor>(cursor: Option<C>) -> Result<i64, KeyvalueFault> {
    match cursor {
        None => Ok(0),
        Some(cursor) => {
            let unknown = || KeyvalueError::Other("invalid: this is no cursor of a listing".to_owned()).into();
            cursor.after().ok_or_else(unknown)
        }
    }
}

/// Implements store, atomics and batch of one draft. `more` is what only its atomics have.
macro_rules! draft {
    ($wit:ident, cursor: $cursor:ty, number: $number:ty, more: { $($more:item)* }) => {
        impl $wit::store::Host for KeyvalueView<'_> {
            async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, KeyvalueFault> {
                KeyvalueView::open(self, identifier)
            }

            fn convert_error(&mut self, fault: KeyvalueFault) -> wasmtime::Result<$wit::store::Error> {
                match fault {
                    KeyvalueFault::Guest(KeyvalueError::NoSuchStore) => Ok($wit::store::Error::NoSuchStore),
                    KeyvalueFault::Guest(KeyvalueError::Other(text)) => Ok($wit::store::Error::Other(text)),
                    KeyvalueFault::Handle(error) => Err(error.into()),
                }
            }
        }

        impl $wit::store::HostBucket for KeyvalueView<'_> {
            async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, KeyvalueFault> {
                self.fetch(bucket, key).await
            }

            async fn set(
                &mut self,
                bucket: Resource<Bucket>,
                key: String,
                value: Vec<u8>,
            ) -> Result<(), KeyvalueFault> {
                self.put(bucket, key, value).await
            }

            async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), KeyvalueFault> {
                self.remove(bucket, key).await
            }

            async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, KeyvalueFault> {
                self.is_there(bucket, key).await
            }

            async fn list_keys(
                &mut self,
                bucket: Resource<Bucket>,
                cursor: Option<$cursor>,
            ) -> Result<$wit::store::KeyResponse, KeyvalueFault> {
                let page = self.list(bucket, after(cursor)?).await?;
                let cursor = page.next.map(<$cursor>::from_number);
                Ok($wit::store::KeyResponse { keys: page.keys, cursor })
            }

            async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
                self.close(bucket)
            }
        }

        impl $wit::atomics::Host for KeyvalueView<'_> {
            async fn increment(
                &mut self,
                bucket: Resource<Bucket>,
                key: String,
                delta: $number,
            ) -> Result<$number, KeyvalueFault> {
                let range = <$number>::MIN.into()..=<$number>::MAX.into();
                // Within the range.
                Ok(self.add(bucket, key, delta.into(), range).await? as $number)
            }

            $($more)*
        }

        impl $wit::batch::Host for KeyvalueView<'_> {
            async fn get_many(
                &mut self,
                bucket: Resource<Bucket>,
                keys: Vec<String>,
            ) -> Result<Vec<Option<(String, Vec<u8>)>>, KeyvalueFault> {
                self.fetch_many(bucket, keys).await
            }

            async fn set_many(
                &mut self,
                bucket: Resource<Bucket>,
                key_values: Vec<(String, Vec<u8>)>,
            ) -> Result<(), KeyvalueFault> {
                self.put_many(bucket, key_values).await
            }

            async fn delete_many(
                &mut self,
                bucket: Resource<Bucket>,
                keys: Vec<String>,
            ) -> Result<(), KeyvalueFault> {
                self.remove_many(bucket, keys).await
            }
        }
    };
}

draft!(draft, cursor: u64, number: u64, more: {});

draft!(draft2, cursor: String, number: i64, more: {
    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Result<(), SwapFault> {
        self.replace(cas, value).await
    }

    fn convert_cas_error(&mut self, fault: SwapFault) -> wasmtime::Result<draft2::atomics::CasError> {
        match fault {
            SwapFault::Lost(anew) => Ok(draft2::atomics::CasError::CasFailed(anew)),
            SwapFault::Store(fault) => {
                draft2::store::Host::convert_error(self, fault).map(draft2::atomics::CasError::StoreError)
            }
        }
    }
});

impl draft2::atomics::HostCas for KeyvalueView<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Resource<Cas>, KeyvalueFault> {
        self.remember(bucket, key).await
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Result<Option<Vec<u8>>, KeyvalueFault> {
        KeyvalueView::current(self, cas).await
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.forget(cas)
    }
}

/// Adds both drafts to a linker whose stores can give a [`KeyvalueView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> KeyvalueView<'_>,
) -> wasmtime::Result<()> {
    draft::store::add_to_linker::<T, HasKeyvalue>(linker, view)?;
    draft::atomics::add_to_linker::<T, HasKeyvalue>(linker, view)?;
    draft::batch::add_to_linker::<T, HasKeyvalue>(linker, view)?;
    draft2::store::add_to_linker::<T, HasKeyvalue>(linker, view)?;
    draft2::atomics::add_to_linker::<T, HasKeyvalue>(linker, view)?;
    draft2::batch::add_to_linker::<T, HasKeyvalue>(linker, view)
}

struct HasKeyvalue;

impl HasData for HasKeyvalue {
    type Data<'a> = KeyvalueView<'a>;
}
