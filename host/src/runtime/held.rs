//! What values take in the host while a plugin has not yet fetched them.
//!
//! wasmtime bounds the values of one host call as they cross. A finished deferred call keeps its answer for as
//! long as the plugin likes, outside the plugin's own memory: so all that one instance's deferred calls hold,
//! arguments and answers, is bounded together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::Val;

/// The bytes that the deferred calls of one instance hold.
#[derive(Clone)]
pub(super) struct HeldBytes {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// A part of the bytes, given back when it is dropped.
pub(super) struct Held {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl HeldBytes {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// Counts these values for as long as the result lives. None when they are too much.
    pub(super) fn hold(&self, values: &[Val]) -> Option<Held> {
        let bytes = values.iter().map(weight).fold(0, usize::saturating_add);
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        // Only the sum matters, no other memory is published with it.
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Held { used: self.used.clone(), bytes })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The memory of a value with everything in it. Recursion is bounded by the depth of its type.
pub(super) fn weight(value: &Val) -> usize {
    size_of::<Val>() + heap(value)
}

fn heap(value: &Val) -> usize {
    match value {
        Val::String(text) | Val::Enum(text) => allocated(text.capacity()),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => {
            array::<Val>(values.capacity()) + values.iter().map(heap).sum::<usize>()
        }
        Val::Map(pairs) => {
            let inner = pairs.iter().map(|(key, value)| heap(key) + heap(value));
            array::<(Val, Val)>(pairs.capacity()) + inner.sum::<usize>()
        }
        Val::Record(fields) => {
            let inner = fields.iter().map(|(name, value)| allocated(name.capacity()) + heap(value));
            array::<(String, Val)>(fields.capacity()) + inner.sum::<usize>()
        }
        Val::Variant(case, payload) => allocated(case.capacity()) + boxed(payload),
        Val::Option(payload) | Val::Result(Ok(payload) | Err(payload)) => boxed(payload),
        Val::Flags(flags) => {
            array::<String>(flags.capacity()) + flags.iter().map(|flag| allocated(flag.capacity())).sum::<usize>()
        }
        _ => 0,
    }
}

fn boxed(payload: &Option<Box<Val>>) -> usize {
    payload.as_ref().map_or(0, |value| allocated(size_of::<Val>()) + heap(value))
}

fn array<T>(capacity: usize) -> usize {
    allocated(capacity.saturating_mul(size_of::<T>()))
}

/// An allocation with what the allocator keeps beside it: small ones cost far more than their content.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes.saturating_add(8).max(32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_together_and_given_back() {
        let text = |bytes: usize| [Val::String("x".repeat(bytes))];
        let all = HeldBytes::new(1_000);
        let first = all.hold(&text(600)).unwrap();
        assert!(all.clone().hold(&text(600)).is_none());
        let second = all.hold(&text(200)).unwrap();
        drop(first);
        assert!(all.hold(&text(600)).is_some());
        drop(second);
        assert_eq!(all.used.load(Ordering::Relaxed), 0);
        assert!(all.hold(&text(2_000)).is_none());
    }

    #[test]
    fn small_values_weigh_what_they_take_and_not_what_they_say() {
        let tiny = Val::List(vec![Val::U8(0); 1_000]);
        assert!(weight(&tiny) >= 1_000 * size_of::<Val>());
        let named = Val::Record(vec![("a".to_owned(), Val::Enum("b".to_owned()))]);
        assert!(weight(&named) >= size_of::<Val>() + size_of::<(String, Val)>() + 64);
    }
}
