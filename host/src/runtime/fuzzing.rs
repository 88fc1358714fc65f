//! What the fuzz targets drive of this layer: the types of a component, without an instance.

use wasmtime::component::Component;

use super::shape::{Budget, FunctionShape};
use super::{PrepareError, Rules, signature};

/// Every function that the component offers to plugins or expects of them.
///
/// # Errors
///
/// As for a plugin that is loaded.
pub fn functions(component: &Component) -> Result<Vec<FunctionShape>, PrepareError> {
    let mut budget = Budget::default();
    let exports = signature::exports(component, &|_, _| Rules::default(), &mut budget)?;
    let imports = signature::imports(component, &mut budget)?.services;
    let exported = exports.iter().flat_map(|export| &export.functions).map(|function| function.shape.clone());
    let imported = imports.iter().flat_map(|import| &import.functions).map(|function| function.shape.clone());
    Ok(exported.chain(imported).collect())
}
