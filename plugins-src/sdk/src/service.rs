//! The types that every service's WIT defines anew, joined to the ones of this crate.

/// Connects the types of a service's interface, given as the path of its generated module, with those of
/// this crate. Name the ones the interface has:
///
/// * `Error`: made from [`sql::Error`](crate::sql::Error) and
///   [`decimal::OutOfRange`](crate::decimal::OutOfRange) as its case `unavailable(string)`, so that `?` works in
///   the service's functions;
/// * `FieldError`: makes the case `invalid(list<field-error>)` of `Error` from [`fields::Invalid`](crate::fields::Invalid);
/// * `Timestamp`, `Decimal`: to and from [`Timestamp`](crate::Timestamp) and [`Decimal`](crate::Decimal).
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
        impl From<$crate::decimal::OutOfRange> for service::Error {
            fn from(error: $crate::decimal::OutOfRange) -> Self {
                Self::Unavailable(error.to_string())
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
    (Timestamp) => {
        $crate::__same_fields!($crate::Timestamp, service::Timestamp, seconds, nanoseconds);
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
