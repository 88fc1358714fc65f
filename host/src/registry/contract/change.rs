//! One change of an exported interface, in words that tell an author what it does to whom.

use std::fmt;

use semver::Version;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::id::{InterfaceName, ServiceName};

/// One difference between an earlier and a later version of what a plugin offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub place: Place,
    pub kind: Kind,
}

/// Where something is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A whole service, that is a WIT package.
    Service(ServiceName),
    Interface(InterfaceName),
    Function(InterfaceName, String),
    /// A type of a function: that of a parameter, of the result, or a part of either.
    Type {
        interface: InterfaceName,
        function: String,
        path: String,
        flow: Flow,
    },
}

/// Which way values of a type go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// To the plugin that offers the function: parameters.
    Taken,
    /// To the consumer: results.
    Given,
}

/// What is different there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Something of this name is new within the place. For an interface or a function it is the place itself.
    Added(Part, String),
    Removed(Part, String),
    Renamed {
        part: Part,
        from: String,
        to: String,
    },
    /// The same names in another order.
    Reordered(Part),
    /// The type itself is another.
    Retyped {
        from: String,
        to: String,
    },
    /// The version of the WIT package.
    Version {
        from: Version,
        to: Version,
        compatible: bool,
    },
}

/// What can come, go and change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Service,
    Interface,
    Function,
    Parameter,
    Field,
    Case,
    Flag,
}

impl Change {
    /// Whether every consumer that was built before goes on working. By the rules of the component model the
    /// types of a function are equal on both sides or there is no link, so what exists may only be added to.
    pub fn is_compatible(&self) -> bool {
        match &self.kind {
            Kind::Added(part, _) => matches!(part, Part::Service | Part::Interface | Part::Function),
            Kind::Version { compatible, .. } => *compatible,
            Kind::Removed(..) | Kind::Renamed { .. } | Kind::Reordered(_) | Kind::Retyped { .. } => false,
        }
    }

    /// What the change does to a consumer that was built before.
    pub fn why(&self) -> &'static str {
        use Flow::{Given, Taken};
        use Part::{Case, Field, Flag, Function, Interface, Parameter, Service};
        match (&self.kind, self.flow()) {
            (Kind::Added(Service | Interface | Function, _), _) => "nobody was built for it yet",
            (Kind::Added(Parameter, _), _) => "a consumer built before does not pass it",
            (Kind::Added(Field, _), Taken) => "a consumer built before does not send it",
            (Kind::Added(Field, _), Given) => "a consumer built before has no place for it",
            (Kind::Added(Case | Flag, _), Taken) => {
                "a consumer built before never sends it, but a link needs equal types on both sides"
            }
            (Kind::Added(Case | Flag, _), Given) => "a consumer built before cannot receive it",
            (Kind::Removed(Service | Interface | Function, _), _) => "a consumer built before finds nothing to call",
            (Kind::Removed(Parameter, _), _) => "a consumer built before still passes it",
            (Kind::Removed(_, _), Taken) => "a consumer built before may still send it",
            (Kind::Removed(Case | Flag, _), Given) => {
                "a consumer built before still knows it, and a link needs equal types on both sides"
            }
            (Kind::Removed(_, _), Given) => "a consumer built before still reads it",
            (Kind::Renamed { .. }, _) => "names are part of a type, and a consumer built before knows the old one",
            (Kind::Reordered(_), _) => "the order is part of a type, and a consumer built before knows the old one",
            (Kind::Retyped { .. }, Taken) => "a consumer built before still sends the old type",
            (Kind::Retyped { .. }, Given) => "a consumer built before still expects the old type",
            (Kind::Version { compatible: true, .. }, _) => "a consumer built before is linked to the higher version",
            (Kind::Version { .. }, _) => "a consumer built before is not linked to this version",
        }
    }

    fn flow(&self) -> Flow {
        match self.place {
            Place::Type { flow, .. } => flow,
            _ => Flow::Given,
        }
    }
}

impl Place {
    fn interface(&self) -> Option<&InterfaceName> {
        match self {
            Self::Service(_) => None,
            Self::Interface(interface) | Self::Function(interface, _) | Self::Type { interface, .. } => Some(interface),
        }
    }

    fn function(&self) -> Option<&str> {
        match self {
            Self::Function(_, function) | Self::Type { function, .. } => Some(function),
            _ => None,
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Type { path, .. } => Some(path).filter(|path| !path.is_empty()).map(String::as_str),
            _ => None,
        }
    }
}

impl Kind {
    /// In one word, as programs read it: `case-added`.
    pub fn word(&self) -> String {
        match self {
            Self::Added(part, _) => format!("{part}-added"),
            Self::Removed(part, _) => format!("{part}-removed"),
            Self::Renamed { part, .. } => format!("{part}-renamed"),
            Self::Reordered(part) => format!("{part}s-reordered"),
            Self::Retyped { .. } => "type-changed".to_string(),
            Self::Version { .. } => "version-changed".to_string(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "service",
            Self::Interface => "interface",
            Self::Function => "function",
            Self::Parameter => "parameter",
            Self::Field => "field",
            Self::Case => "case",
            Self::Flag => "flag",
        })
    }
}

impl fmt::Display for Place {
    /// As `crm:deals/deals.list: result.err`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "{service}"),
            Self::Interface(interface) => write!(f, "{interface}"),
            Self::Function(interface, function) => write!(f, "{interface}.{function}"),
            Self::Type { interface, function, path, .. } if path.is_empty() => write!(f, "{interface}.{function}"),
            Self::Type { interface, function, path, .. } => write!(f, "{interface}.{function}: {path}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(part @ (Part::Service | Part::Interface | Part::Function), _) => write!(f, "{part} added"),
            Self::Removed(part @ (Part::Service | Part::Interface | Part::Function), _) => write!(f, "{part} removed"),
            Self::Added(part, name) => write!(f, "{part} \"{name}\" added"),
            Self::Removed(part, name) => write!(f, "{part} \"{name}\" removed"),
            Self::Renamed { part, from, to } => write!(f, "{part} \"{from}\" renamed to \"{to}\""),
            Self::Reordered(part) => write!(f, "{part}s in another order"),
            Self::Retyped { from, to } => write!(f, "{from} became {to}"),
            Self::Version { from, to, .. } => write!(f, "version {from} became {to}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.kind, self.why())
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, from, to) = match &self.kind {
            Kind::Added(_, name) | Kind::Removed(_, name) => (Some(name.as_str()), None, None),
            Kind::Renamed { from, to, .. } | Kind::Retyped { from, to } => (None, Some(from.clone()), Some(to.clone())),
            Kind::Reordered(_) => (None, None, None),
            Kind::Version { from, to, .. } => (None, Some(from.to_string()), Some(to.to_string())),
        };
        let mut change = serializer.serialize_struct("Change", 9)?;
        change.serialize_field("interface", &self.place.interface())?;
        change.serialize_field("function", &self.place.function())?;
        change.serialize_field("path", &self.place.path())?;
        change.serialize_field("kind", &self.kind.word())?;
        change.serialize_field("name", &name)?;
        change.serialize_field("from", &from)?;
        change.serialize_field("to", &to)?;
        change.serialize_field("compatible", &self.is_compatible())?;
        change.serialize_field("message", &self.to_string())?;
        change.end()
    }
}
