//! The one way to write a group of settings, so that none can lack its meaning or its default.

/// A key of a section and what its doc comment says.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub name: &'static str,
    pub docs: &'static [&'static str],
}

/// Defines a section: a struct that refuses unknown keys, its defaults, and its fields for the example
/// file. A field reads `/// Its meaning.` and then `name: Type = default,`.
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $section:ident {
            $( $(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr, )+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\nDefault: `", stringify!($default), "`.")]
                pub $field: $kind,
            )+
        }

        impl $section {
            pub(in crate::config) const FIELDS: &'static [$crate::config::section::Field] = &[
                $($crate::config::section::Field { name: stringify!($field), docs: &[$($doc),+] },)+
            ];
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }
    };
}

/// Gives a section's settings in milliseconds as durations, each by a method.
macro_rules! millis {
    ($($section:ident { $($method:ident = $field:ident),+ $(,)? })+) => {
        $(impl $section {
            $(
                #[doc = concat!("[`Self::", stringify!($field), "`] as a duration.")]
                pub fn $method(&self) -> std::time::Duration {
                    std::time::Duration::from_millis(self.$field)
                }
            )+
        })+
    };
}

pub(super) use {millis, section};
