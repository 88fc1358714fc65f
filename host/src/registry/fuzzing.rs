//! What the fuzz targets drive of this layer: a plugin's file before it is compiled.

use super::package::{self, Package, PackageError};
use super::trust::examine;
use crate::hash::sha256;

/// What a file holds beside code, with as much SQL as may be. `sidecar` is the manifest beside it, which counts if
/// there is none inside. Signatures are looked for first, as the loader does.
pub fn read_package(bytes: &[u8], sidecar: &[u8], sql_bytes: usize) -> Result<Package, PackageError> {
    let sidecar = ("fuzz.plugin.json", Some(sidecar));
    let examined = examine((bytes, sha256(bytes)), sidecar, None, 8);
    package::read(examined.map_or(bytes, |examined| examined.payload), sidecar, sql_bytes)
}
