//! What an answer depends on, as a SHA-256.
//!
//! Invariant: two calls have the same key only if their plugin cannot tell them apart but by correlation id, remaining time,
//! clock and chance. So the key holds everything of the context that reaches a plugin or decides what its own calls may
//! do, each part so that where it ends does not depend on what follows.
//!
//! Bound: a key has one size, whatever the arguments. The cache keeps the keys of entries that it has dropped until it makes its
//! table anew, and counts them nowhere.

use wasmtime::component::Val;

use crate::hash::sha256;
use crate::runtime::context::CallContext;
use crate::runtime::prepared::PreparedPlugin;
use crate::runtime::signature::ExportedFunction;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// None when what it is made from would be longer than this, or an argument is none that can be compared.
    pub(super) fn of(
        plugin: &PreparedPlugin,
        function: &ExportedFunction,
        context: &CallContext,
        args: &[Val],
        longest: usize,
    ) -> Option<Self> {
        let identity = &context.identity;
        let mut key = Writer { bytes: Vec::with_capacity(256), longest };
        key.text(identity.tenant.as_str())?;
        key.number(plugin.serial())?;
        key.number(u64::from(function.number))?;
        key.put(context.links.fingerprint())?;
        key.optional(identity.user.as_ref().map(|user| user.as_str()))?;
        key.optional(identity.workspace.as_ref().map(|workspace| workspace.as_str()))?;
        key.optional(context.caller.as_ref().map(|caller| caller.as_str()))?;
        key.number(u64::from(context.depth))?;
        key.list(&identity.roles, |key, role| key.text(role.as_str()))?;
        key.list(identity.permissions.patterns(), |key, pattern| key.text(pattern.as_str()))?;
        key.list(args, Writer::value)?;
        Some(Self(sha256(&key.bytes)))
    }

    #[cfg(test)]
    pub(super) fn test(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

/// Writes each thing with its length, or of a fixed one.
struct Writer {
    bytes: Vec<u8>,
    longest: usize,
}

type Written = Option<()>;

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> Written {
        if bytes.len() > self.longest.saturating_sub(self.bytes.len()) {
            return None;
        }
        self.bytes.extend_from_slice(bytes);
        Some(())
    }

    fn number(&mut self, number: u64) -> Written {
        self.put(&number.to_be_bytes())
    }

    fn text(&mut self, text: &str) -> Written {
        self.number(text.len() as u64)?;
        self.put(text.as_bytes())
    }

    fn optional(&mut self, text: Option<&str>) -> Written {
        match text {
            None => self.put(&[0]),
            Some(text) => {
                self.put(&[1])?;
                self.text(text)
            }
        }
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T) -> Written) -> Written {
        self.number(items.len() as u64)?;
        items.iter().try_for_each(|item| each(self, item))
    }

    /// Recursion is bounded by the depth of the value's type.
    fn value(&mut self, value: &Val) -> Written {
        match value {
            Val::Bool(value) => self.tagged(1, &[u8::from(*value)]),
            Val::S8(value) => self.tagged(2, &value.to_be_bytes()),
            Val::U8(value) => self.tagged(3, &value.to_be_bytes()),
            Val::S16(value) => self.tagged(4, &value.to_be_bytes()),
            Val::U16(value) => self.tagged(5, &value.to_be_bytes()),
            Val::S32(value) => self.tagged(6, &value.to_be_bytes()),
            Val::U32(value) => self.tagged(7, &value.to_be_bytes()),
            Val::S64(value) => self.tagged(8, &value.to_be_bytes()),
            Val::U64(value) => self.tagged(9, &value.to_be_bytes()),
            Val::Float32(value) => self.tagged(10, &value.to_bits().to_be_bytes()),
            Val::Float64(value) => self.tagged(11, &value.to_bits().to_be_bytes()),
            Val::Char(value) => self.tagged(12, &u32::from(*value).to_be_bytes()),
            Val::String(value) => self.named(13, value),
            Val::Enum(value) => self.named(14, value),
            Val::List(values) => self.values(15, values),
            Val::Tuple(values) => self.values(16, values),
            Val::FixedLengthList(values) => self.values(17, values),
            Val::Map(pairs) => {
                self.put(&[18])?;
                self.list(pairs, |key, (name, value)| {
                    key.value(name)?;
                    key.value(value)
                })
            }
            Val::Record(fields) => {
                self.put(&[19])?;
                self.list(fields, |key, (name, value)| {
                    key.text(name)?;
                    key.value(value)
                })
            }
            Val::Variant(case, payload) => {
                self.named(20, case)?;
                self.payload(payload.as_deref())
            }
            Val::Option(payload) => {
                self.put(&[21])?;
                self.payload(payload.as_deref())
            }
            Val::Result(Ok(payload)) => {
                self.put(&[22])?;
                self.payload(payload.as_deref())
            }
            Val::Result(Err(payload)) => {
                self.put(&[23])?;
                self.payload(payload.as_deref())
            }
            Val::Flags(flags) => {
                self.put(&[24])?;
                self.list(flags, |key, flag| key.text(flag))
            }
            Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => None,
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) -> Written {
        self.put(&[tag])?;
        self.put(bytes)
    }

    fn named(&mut self, tag: u8, text: &str) -> Written {
        self.put(&[tag])?;
        self.text(text)
    }

    fn values(&mut self, tag: u8, values: &[Val]) -> Written {
        self.put(&[tag])?;
        self.list(values, Self::value)
    }

    fn payload(&mut self, payload: Option<&Val>) -> Written {
        match payload {
            None => self.put(&[0]),
            Some(value) => {
                self.put(&[1])?;
                self.value(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(args: &[Val], longest: usize) -> Option<Vec<u8>> {
        let mut key = Writer { bytes: Vec::new(), longest };
        key.list(args, Writer::value)?;
        Some(key.bytes)
    }

    fn values() -> impl Strategy<Value = Val> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Val::Bool),
            any::<u8>().prop_map(Val::U8),
            any::<u64>().prop_map(Val::U64),
            any::<i64>().prop_map(Val::S64),
            any::<char>().prop_map(Val::Char),
            "[ab\\x00]{0,3}".prop_map(Val::String),
            "[ab]{1,2}".prop_map(Val::Enum),
            proptest::collection::vec("[ab]{1,2}", 0..3).prop_map(Val::Flags),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let some = proptest::option::of(inner.clone().prop_map(Box::new));
            let list = proptest::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                list.clone().prop_map(Val::List),
                list.prop_map(Val::Tuple),
                proptest::collection::vec(("[ab]{0,2}", inner.clone()), 0..3).prop_map(Val::Record),
                proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(Val::Map),
                some.clone().prop_map(Val::Option),
                ("[ab]{1,2}", some.clone()).prop_map(|(case, payload)| Val::Variant(case, payload)),
                some.clone().prop_map(|payload| Val::Result(Ok(payload))),
                some.prop_map(|payload| Val::Result(Err(payload))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// Values are the same exactly if their bytes are.
        #[test]
        fn different_arguments_have_different_keys(
            a in proptest::collection::vec(values(), 0..3), b in proptest::collection::vec(values(), 0..3),
        ) {
            prop_assert_eq!(a == b, written(&a, usize::MAX) == written(&b, usize::MAX));
            prop_assert_eq!(written(&a, usize::MAX), written(&a.clone(), usize::MAX));
        }

        /// No list of texts reads like another that is cut in other places, or like one where a text is missing.
        #[test]
        fn the_parts_of_a_key_do_not_run_into_each_other(
            a in proptest::collection::vec(proptest::option::of("[a\\x00\\x01]{0,3}"), 0..5),
            b in proptest::collection::vec(proptest::option::of("[a\\x00\\x01]{0,3}"), 0..5),
        ) {
            let bytes = |parts: &[Option<String>]| {
                let mut key = Writer { bytes: Vec::new(), longest: usize::MAX };
                key.list(parts, |key, part| key.optional(part.as_deref())).map(|()| key.bytes)
            };
            prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
        }
    }

    #[test]
    fn a_key_that_would_be_too_long_is_none() {
        let args = [Val::String("x".repeat(1_000))];
        assert!(written(&args, 1_017).is_some());
        assert!(written(&args, 1_016).is_none());
    }
}
