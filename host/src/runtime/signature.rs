//! What a component exports and imports, read once when it is loaded.
//!
//! Both views of a service, the plain and the deferred one, are one import: whoever provides the interface
//! answers both.

use std::fmt;
use std::sync::Arc;

use semver::Version;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex};

use super::rules::Rules;
use super::shape::{Budget, FunctionShape, Unsupported};
use crate::id::InterfaceName;

/// An interface at a version, as in `crm:contacts/contacts@1.0.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionedInterface {
    /// Package and interface: `crm:contacts/contacts`.
    pub interface: InterfaceName,
    pub version: Version,
}

impl VersionedInterface {
    /// Reads `namespace:package/interface@version`; none when a part is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (interface, version) = text.split_once('@')?;
        Some(Self { interface: InterfaceName::parse(interface).ok()?, version: Version::parse(version).ok()? })
    }
}

impl fmt::Display for VersionedInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.interface, self.version)
    }
}

/// A function other plugins and HTTP endpoints can call.
pub struct ExportedFunction {
    pub name: String,
    pub shape: FunctionShape,
    /// What the endpoints that name it say.
    pub rules: Rules,
    /// Among the functions of its plugin.
    pub(super) number: u32,
    pub(super) index: ComponentExportIndex,
}

pub struct ExportedInterface {
    pub name: VersionedInterface,
    pub functions: Vec<Arc<ExportedFunction>>,
}

impl ExportedInterface {
    pub fn function(&self, name: &str) -> Option<&Arc<ExportedFunction>> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// A function this plugin expects of a provider.
pub struct ImportedFunction {
    pub name: String,
    pub shape: FunctionShape,
}

/// A service interface this plugin imports, plainly, by its deferred view, or both.
pub struct ImportedInterface {
    pub name: VersionedInterface,
    pub functions: Vec<Arc<ImportedFunction>>,
    pub(super) plain_name: Option<String>,
    pub(super) deferred_name: Option<String>,
}

/// Why a component cannot be run as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("{direction} `{name}` has no version: give its WIT package one, as in `package {package}@1.0.0`")]
    Unversioned { direction: &'static str, name: String, package: String },
    #[error("{direction} `{name}` is not an interface: put it into one, within a versioned package")]
    NotAnInterface { direction: &'static str, name: String },
    #[error("`{interface}`, function `{function}`: {source}")]
    Type { interface: String, function: String, source: Unsupported },
    #[error("`{interface}`: {0}", Unsupported::resource(.resource))]
    Resource { interface: String, resource: String },
    #[error("`{interface}` is not the deferred view of an interface: {reason}")]
    Deferred { interface: String, reason: String },
    #[error("the component imports something this host does not offer: {0}")]
    Link(String),
}

/// What is said of the functions of an interface.
pub(super) type RulesOf<'a> = &'a dyn Fn(&InterfaceName, &str) -> Rules;

pub(super) fn exports(
    component: &Component,
    rules: RulesOf<'_>,
    budget: &mut Budget,
) -> Result<Vec<ExportedInterface>, PrepareError> {
    let engine = component.engine();
    let mut interfaces = Vec::new();
    let mut number = 0;
    for (name, item) in component.component_type().exports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if is_standard(name) {
            continue;
        }
        let parsed = VersionedInterface::parse(name).ok_or_else(|| unversioned("export", name))?;
        let Some(parent) = component.get_export_index(None, name) else { continue };
        let mut functions = Vec::new();
        for (function, item) in instance.exports(engine) {
            let ty = match item.ty {
                ComponentItem::ComponentFunc(ty) => ty,
                ComponentItem::Resource(_) => return Err(resource(name, function)),
                _ => continue,
            };
            let Some(index) = component.get_export_index(Some(&parent), function) else { continue };
            let shape = shape(name, function, &ty, budget)?;
            let rules = rules(&parsed.interface, function);
            functions.push(Arc::new(ExportedFunction { name: function.to_string(), shape, rules, number, index }));
            number += 1;
        }
        interfaces.push(ExportedInterface { name: parsed, functions });
    }
    Ok(interfaces)
}

/// What a component needs.
pub(super) struct Imports {
    pub(super) services: Vec<ImportedInterface>,
    /// The host's own interfaces, WASI included.
    pub(super) capabilities: Vec<String>,
}

pub(super) fn imports(component: &Component, budget: &mut Budget) -> Result<Imports, PrepareError> {
    let engine = component.engine();
    let mut found = Imports { services: Vec::new(), capabilities: Vec::new() };
    for (name, item) in component.component_type().imports(engine) {
        if is_standard(name) || name.starts_with("tenon:host/") {
            found.capabilities.push(name.to_string());
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(PrepareError::NotAnInterface { direction: "import", name: name.to_string() });
        };
        let parsed = VersionedInterface::parse(name).ok_or_else(|| unversioned("import", name))?;
        let items: Vec<(String, ComponentItem)> =
            instance.exports(engine).map(|(name, item)| (name.to_string(), item.ty)).collect();
        match parsed.interface.deferred_from() {
            Some(interface) => {
                let functions = deferred_functions(name, &items, budget)?;
                let plain = VersionedInterface { interface, version: parsed.version };
                let service = service(&mut found.services, plain);
                service.deferred_name = Some(name.to_string());
                add_functions(name, service, functions)?;
            }
            None => {
                let functions = plain_functions(name, &items, budget)?;
                let service = service(&mut found.services, parsed);
                service.plain_name = Some(name.to_string());
                add_functions(name, service, functions)?;
            }
        }
    }
    Ok(found)
}

/// The import of this name, made when it is seen first: both views of a service are one import.
fn service(services: &mut Vec<ImportedInterface>, name: VersionedInterface) -> &mut ImportedInterface {
    let index = match services.iter().position(|service| service.name == name) {
        Some(index) => index,
        None => {
            services.push(ImportedInterface { name, functions: Vec::new(), plain_name: None, deferred_name: None });
            services.len() - 1
        }
    };
    &mut services[index]
}

fn add_functions(
    view: &str,
    service: &mut ImportedInterface,
    functions: Vec<ImportedFunction>,
) -> Result<(), PrepareError> {
    for function in functions {
        match service.functions.iter().find(|known| known.name == function.name) {
            None => service.functions.push(Arc::new(function)),
            Some(known) => {
                if let Some(difference) = known.shape.difference(&function.shape) {
                    let reason = format!("its `{}` differs from the plain view's: {difference}", function.name);
                    return Err(PrepareError::Deferred { interface: view.to_string(), reason });
                }
            }
        }
    }
    Ok(())
}

fn plain_functions(
    interface: &str,
    items: &[(String, ComponentItem)],
    budget: &mut Budget,
) -> Result<Vec<ImportedFunction>, PrepareError> {
    let mut functions = Vec::new();
    for (name, item) in items {
        match item {
            ComponentItem::ComponentFunc(ty) => {
                let shape = shape(interface, name, ty, budget)?;
                functions.push(ImportedFunction { name: name.clone(), shape });
            }
            ComponentItem::Type(_) => {}
            ComponentItem::Resource(_) => return Err(resource(interface, name)),
            _ => return Err(PrepareError::NotAnInterface { direction: "import", name: format!("{interface}#{name}") }),
        }
    }
    Ok(functions)
}

/// The functions behind a deferred view: the parameters of `start`, the result of `get`.
fn deferred_functions(
    interface: &str,
    items: &[(String, ComponentItem)],
    budget: &mut Budget,
) -> Result<Vec<ImportedFunction>, PrepareError> {
    let function = |name: &str| {
        items.iter().find_map(|(item_name, item)| match item {
            ComponentItem::ComponentFunc(ty) if item_name == name => Some(ty),
            _ => None,
        })
    };
    let mut functions = Vec::new();
    for (name, item) in items {
        let (Some(call), ComponentItem::ComponentFunc(start)) = (started_call(name), item) else { continue };
        let refuse = |reason: String| PrepareError::Deferred { interface: interface.to_string(), reason };
        let Some(plain) = call.strip_suffix("-call") else {
            return Err(refuse(format!("its resource `{call}` is not named `<function>-call`")));
        };
        // A view whose answer is never taken is allowed: then only the parameters can be compared.
        let get = function(&format!("[method]{call}.get"));
        let shape = budget
            .name(plain)
            .and_then(|()| FunctionShape::of_deferred(start, get, budget))
            .map_err(|source| PrepareError::Type { interface: interface.into(), function: plain.into(), source })?;
        functions.push(ImportedFunction { name: plain.to_string(), shape });
    }
    Ok(functions)
}

fn started_call(function: &str) -> Option<&str> {
    function.strip_prefix("[static]")?.strip_suffix(".start")
}

fn shape(
    interface: &str,
    function: &str,
    ty: &ComponentFunc,
    budget: &mut Budget,
) -> Result<FunctionShape, PrepareError> {
    budget.name(function).and_then(|()| FunctionShape::of(ty, budget)).map_err(|source| PrepareError::Type {
        interface: interface.to_string(),
        function: function.to_string(),
        source,
    })
}

fn resource(interface: &str, name: &str) -> PrepareError {
    PrepareError::Resource { interface: interface.to_string(), resource: name.to_string() }
}

fn unversioned(direction: &'static str, name: &str) -> PrepareError {
    let package = name.split('/').next().unwrap_or(name).to_string();
    if name.contains(':') {
        PrepareError::Unversioned { direction, name: name.to_string(), package }
    } else {
        PrepareError::NotAnInterface { direction, name: name.to_string() }
    }
}

fn is_standard(name: &str) -> bool {
    name.starts_with("wasi:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_need_a_package_and_a_version() {
        let name = VersionedInterface::parse("crm:contacts/contacts@1.2.0").unwrap();
        assert_eq!(name.interface.service().as_str(), "crm:contacts");
        assert_eq!(name.to_string(), "crm:contacts/contacts@1.2.0");
        for wrong in ["crm:contacts/contacts", "contacts@1.0.0", "crm:contacts@1.0.0", "crm:contacts/c@one"] {
            assert!(VersionedInterface::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn many_functions_of_large_types_are_refused_together() {
        let import = |functions: usize| {
            let uses = " $e".repeat(30);
            let cases: String = (0..500).map(|case| format!(" \"c{case}\"")).collect();
            let types = format!("(type $e' (enum {cases})) (export \"e\" (type $e (eq $e'))) (type $t (tuple {uses}))");
            let functions = (0..functions).map(|index| format!("(export \"f{index}\" (func (param \"x\" $t)))"));
            let instance = format!("(instance {types} {})", functions.collect::<String>());
            let text = format!("(component (import \"test:types/all@1.0.0\" {instance}))");
            let engine = wasmtime::Engine::default();
            let component = Component::from_binary(&engine, &wat::parse_str(text).unwrap()).unwrap();
            imports(&component, &mut Budget::default()).map(|imports| imports.services[0].functions.len())
        };
        assert_eq!(import(13).unwrap(), 13);
        let error = import(14).map(drop).unwrap_err().to_string();
        assert!(error.contains("in all functions together"), "{error}");
    }
}
