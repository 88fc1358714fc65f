//! The types that every service's WIT defines anew, joined to the ones of this crate.

/// Connects the types of a service's interface, given as the path of its generated module, with those of
/// this crate. Name the ones the interface has:
///
/// * `Error`: made from [`sql::Error`](crate::sql::Error), [`events::Error`](crate::events::Error),
///   [`notifications::Error`](crate::notifications::Error), [`config::Error`](crate::config::Error),
///   [`keyvalue::Error`](crate::keyvalue::Error), [`shared_data::Error`](crate::shared_data::Error),
///   [`http::Error`](crate::http::Error) and [`decimal::OutOfRange`](crate::decimal::OutOfRange) as its case
///   `unavailable(string)`, so that `?` works in the service's functions;
/// * `NotFound`: makes the case `not-found(string)` of `Error` from [`ids::Unknown`](crate::ids::Unknown);
/// * `FieldError`: makes the case `invalid(list<field-error>)` of `Error` from [`fields::Invalid`](crate::fields::Invalid);
/// * `Unavailable`: says of `Error` whether it is the case `unavailable(string)`, for [`retry`](mod@crate::retry), and
///   makes [`events::Unhandled`](crate::events::Unhandled) of it, so that an event handler can call with `?`:
///   `unavailable` is tried again, everything else goes to the dead letters. Name it for the services that the plugin
///   uses;
/// * `Timestamp`, `Decimal`: to and from [`Timestamp`](crate::Timestamp) and [`Decimal`](crate::Decimal). A `Timestamp`
///   is also read from and written to a column of microseconds.
///
/// ```ignore
/// tenon_plugin::service_types! {
///     crate::exports::crm::contacts::contacts: Error, FieldError, Timestamp;
/// }
/// ```
#[macro_export]
macro_rules! service_types {
    ($($module:path: $($kind:ident),+);+ $(;)?) => {
        $(const _: () = {
            use $module as service;
            $($crate::__service_type!($kind);)+
        };)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __service_type {
    (Error) => {
        impl From<$crate::sql::Error> for service::Error {
            fn from(error: $crate::sql::Error) -> Self {
                Self::Unavailable(error.for_caller())
            }
        }
        impl From<$crate::events::Error> for service::Error {
            fn from(error: $crate::events::Error) -> Self {
                Self::Unavailable(error.for_caller())
            }
        }
        impl From<$crate::notifications::Error> for service::Error {
            fn from(error: $crate::notifications::Error) -> Self {
                Self::Unavailable(error.for_caller())
            }
        }
        impl From<$crate::config::Error> for service::Error {
            fn from(error: $crate::config::Error) -> Self {
                Self::Unavailable(error.to_string())
            }
        }
        impl From<$crate::keyvalue::Error> for service::Error {
            fn from(error: $crate::keyvalue::Error) -> Self {
                Self::Unavailable(error.to_string())
            }
        }
        impl From<$crate::shared_data::Error> for service::Error {
            fn from(error: $crate::shared_data::Error) -> Self {
                Self::Unavailable(error.for_caller())
            }
        }
        impl From<$crate::http::Error> for service::Error {
            fn from(error: $crate::http::Error) -> Self {
                Self::Unavailable(error.to_string())
            }
        }
        impl From<$crate::decimal::OutOfRange> for service::Error {
            fn from(error: $crate::decimal::OutOfRange) -> Self {
                Self::Unavailable(error.to_string())
            }
        }
    };
    (NotFound) => {
        impl From<$crate::ids::Unknown> for service::Error {
            fn from(unknown: $crate::ids::Unknown) -> Self {
                Self::NotFound(unknown.to_string())
            }
        }
    };
    (FieldError) => {
        impl From<$crate::fields::Invalid> for service::Error {
            fn from(invalid: $crate::fields::Invalid) -> Self {
                let error = |(field, message)| service::FieldError { field, message };
                Self::Invalid(invalid.into_iter().map(error).collect())
            }
        }
    };
    (Unavailable) => {
        impl $crate::retry::Unavailable for service::Error {
            fn is_unavailable(&self) -> bool {
                matches!(self, Self::Unavailable(_))
            }
        }
        impl From<service::Error> for $crate::events::Unhandled {
            fn from(error: service::Error) -> Self {
                match error {
                    service::Error::Unavailable(why) => Self::Retry(why),
                    answered => Self::Reject(format!("a service answered {answered:?}")),
                }
            }
        }
    };
    (Timestamp) => {
        $crate::__same_fields!($crate::Timestamp, service::Timestamp, seconds, nanoseconds);

        impl $crate::sql::FromValue for service::Timestamp {
            const EXPECTED: &'static str = <$crate::Timestamp as $crate::sql::FromValue>::EXPECTED;

            fn from_value(value: $crate::sql::Value) -> Result<Self, $crate::sql::Value> {
                <$crate::Timestamp as $crate::sql::FromValue>::from_value(value).map(Self::from)
            }
        }
        impl From<service::Timestamp> for $crate::sql::Value {
            fn from(time: service::Timestamp) -> Self {
                Self::from($crate::Timestamp::from(time))
            }
        }
    };
    (Decimal) => {
        $crate::__same_fields!($crate::Decimal, service::Decimal, coefficient, scale);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __same_fields {
    ($ours:ty, $theirs:ty, $($field:ident),+) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                Self { $($field: value.$field),+ }
            }
        }
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                Self { $($field: value.$field),+ }
            }
        }
    };
}
