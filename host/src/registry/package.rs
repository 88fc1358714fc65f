//! A plugin file taken apart: the component and what its author embedded in it.
//!
//! Manifest, migrations and demo data are custom sections, of the component itself or of a core module inside
//! it, which is where Rust's linker puts them. A section that occurs twice is refused, because nobody could
//! say which one counts.

use std::collections::HashSet;

use wasmparser::{Parser, Payload};

use super::manifest::{Manifest, ManifestErrors};
use super::trust::SECTION as SIGNATURE;
use crate::capability::sql::{Brought, Migration};
use crate::hash::{hex, sha256_hex};
use crate::id::excerpt;

const MANIFEST: &str = "tenon:manifest";
const MIGRATION: &str = "tenon:migration:";
const DEMO: &str = "tenon:demo";

/// What one plugin file holds beside code.
#[derive(Debug)]
pub struct Package {
    pub manifest: Manifest,
    /// In the order of their names, which is the order they are applied in.
    pub migrations: Vec<Migration>,
    /// Rows for the demo tenant.
    pub demo: Option<String>,
    /// Whether the manifest is the one that lies beside the file.
    beside: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("this is a core WebAssembly module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    #[error("the custom section `{0}` occurs more than once: embed it once, in the plugin's own crate")]
    Duplicate(String),
    #[error(
        "migrations and demo data have {found} bytes, their names included; at most {limit} are allowed \
         (loader.embedded_sql_bytes)"
    )]
    TooMuchSql { found: usize, limit: usize },
    #[error("the custom section `{0}` is not UTF-8 text")]
    NotText(String),
    #[error(
        "a signature stands in the middle of it: it was changed after it was signed, or put together of signed parts"
    )]
    Signature,
    #[error(
        "there is no manifest: embed plugin.json with `tenon_plugin::embed!`, or put it beside the file as {sidecar}"
    )]
    NoManifest { sidecar: String },
    #[error(transparent)]
    Manifest(#[from] ManifestErrors),
}

/// Reads the custom sections of a component. `sidecar` is the manifest that lies beside the file, by its
/// name and content; it counts only when the file embeds none. Takes time in proportion to the bytes, and
/// no recursion.
///
/// # Errors
///
/// [`PackageError`] says what is missing, double or wrong.
pub fn read(bytes: &[u8], sidecar: (&str, Option<&[u8]>), sql_bytes: usize) -> Result<Package, PackageError> {
    refuse_other_formats(bytes)?;
    let sections = sections(bytes, sql_bytes)?;
    let find = |name: &str| sections.iter().find(|(section, _)| *section == name).map(|(_, data)| *data);
    let (sidecar_name, beside) = sidecar;
    let Some(manifest) = find(MANIFEST).or(beside) else {
        return Err(PackageError::NoManifest { sidecar: sidecar_name.to_string() });
    };
    let mut migrations = Vec::new();
    for (section, data) in &sections {
        if let Some(name) = section.strip_prefix(MIGRATION) {
            migrations.push(Migration { name: name.to_string(), sql: text(section, data)? });
        }
    }
    migrations.sort_by(|a, b| a.name.cmp(&b.name));
    let demo = find(DEMO).map(|data| text(DEMO, data)).transpose()?;
    let beside = find(MANIFEST).is_none();
    let manifest = Manifest::parse(manifest)?;
    manifest.fits_migrations(migrations.len())?;
    Ok(Package { manifest, migrations, demo, beside })
}

impl Package {
    /// What it brings to the databases of its tenants.
    pub fn brought(&self) -> Brought<'_> {
        Brought {
            plugin: &self.manifest.id,
            version: &self.manifest.version,
            migrations: &self.migrations,
            demo: self.demo.as_deref(),
            compatible_from: self.manifest.data.as_ref().map(|data| data.compatible_from),
        }
    }

    /// Whether the manifest that counts is the one beside the file.
    pub fn is_manifest_beside(&self) -> bool {
        self.beside
    }

    /// The hash of all that makes the plugin: of the file without its signatures, and of the manifest beside it where
    /// that one counts. So a plugin that is signed later, or by others too, stays what it is.
    pub fn content(&self, file: &[u8; 32], manifest: Option<&[u8; 32]>) -> String {
        let file = hex(file);
        match manifest.filter(|_| self.beside) {
            Some(manifest) => sha256_hex(format!("{file} {}", hex(manifest)).as_bytes()),
            None => file,
        }
    }
}

/// Looks at the first bytes alone.
///
/// # Errors
///
/// When they are not those of a component.
pub fn refuse_other_formats(bytes: &[u8]) -> Result<(), PackageError> {
    if Parser::is_component(bytes) {
        return Ok(());
    }
    if Parser::is_core_wasm(bytes) {
        return Err(PackageError::CoreModule);
    }
    let found = match bytes {
        [] => "the file is empty".to_string(),
        [b'P', b'K', ..] => "it begins like a zip archive".to_string(),
        [0x7f, b'E', b'L', b'F', ..] => "it is machine code; compiled components are not accepted".to_string(),
        [b'(', ..] => "it is WebAssembly text; compile it to binary first".to_string(),
        _ => "it does not begin with the WebAssembly header".to_string(),
    };
    Err(PackageError::NotWasm(found))
}

fn sections(bytes: &[u8], sql_bytes: usize) -> Result<Vec<(&str, &[u8])>, PackageError> {
    let mut found: Vec<(&str, &[u8])> = Vec::new();
    let mut names = HashSet::new();
    let (mut sql, mut depth): (usize, usize) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| PackageError::NotWasm(error.to_string()))?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        let Payload::CustomSection(section) = payload else { continue };
        let name = section.name();
        // Those at the end were taken off before. Within a part, one says nothing of the whole.
        if name == SIGNATURE && depth == 0 {
            return Err(PackageError::Signature);
        }
        if name != MANIFEST && name != DEMO && !name.starts_with(MIGRATION) {
            continue;
        }
        if !names.insert(name) {
            return Err(PackageError::Duplicate(excerpt(name)));
        }
        if name != MANIFEST {
            sql = sql.saturating_add(name.len()).saturating_add(section.data().len());
        }
        found.push((name, section.data()));
    }
    if sql > sql_bytes {
        return Err(PackageError::TooMuchSql { found: sql, limit: sql_bytes });
    }
    Ok(found)
}

fn text(section: &str, data: &[u8]) -> Result<String, PackageError> {
    String::from_utf8(data.to_vec()).map_err(|_| PackageError::NotText(excerpt(section)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with these custom sections, made by hand: header, then id 0, size, name and data each.
    fn component(sections: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (name, data) in sections {
            let mut body = vec![name.len() as u8];
            body.extend(name.as_bytes());
            body.extend(data.as_bytes());
            bytes.push(0);
            let mut size = body.len();
            while size >= 0x80 {
                bytes.push(size as u8 | 0x80);
                size >>= 7;
            }
            bytes.push(size as u8);
            bytes.extend(body);
        }
        bytes
    }

    const MINIMAL: &str = r#"{"id":"demo","name":"Demo","version":"1.0.0"}"#;

    #[test]
    fn migrations_come_in_the_order_of_their_names() {
        let bytes = component(&[
            ("tenon:migration:0002_b", "second"),
            (MANIFEST, MINIMAL),
            ("tenon:migration:0001_a", "first"),
        ]);
        let package = read(&bytes, ("demo.plugin.json", None), 1000).unwrap();
        let names: Vec<_> = package.migrations.iter().map(|migration| migration.name.as_str()).collect();
        assert_eq!(names, ["0001_a", "0002_b"]);
        assert_eq!(package.manifest.id.as_str(), "demo");
    }

    #[test]
    fn what_is_said_of_the_tables_fits_the_migrations() {
        let told = |from: u32, migrations: usize| {
            let manifest = MINIMAL.replace('}', &format!(r#","data":{{"compatibleFrom":{from}}}}}"#));
            let names: Vec<String> = (0..migrations).map(|number| format!("tenon:migration:{number}")).collect();
            let mut sections: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
            sections.push((MANIFEST, &manifest));
            read(&component(&sections), ("x.plugin.json", None), 1000)
        };
        assert_eq!(told(1, 3).unwrap().brought().compatible_from, Some(1));
        assert!(told(3, 3).is_ok());
        let refused = |from, migrations| told(from, migrations).unwrap_err().to_string();
        assert!(refused(4, 3).contains("$.data.compatibleFrom: found 4; expected at most 3"), "{}", refused(4, 3));
        assert!(refused(1, 0).contains("leave `data` out"), "{}", refused(1, 0));
        assert!(refused(0, 3).contains("$.data.compatibleFrom"), "{}", refused(0, 3));
    }

    #[test]
    fn an_embedded_manifest_counts_before_the_one_beside_the_file() {
        let other = br#"{"id":"other","name":"Other","version":"1.0.0"}"#;
        let embedded = component(&[(MANIFEST, MINIMAL)]);
        let package = read(&embedded, ("x.plugin.json", Some(other)), 1000).unwrap();
        assert_eq!(package.manifest.id.as_str(), "demo");
        let package = read(&component(&[]), ("x.plugin.json", Some(other)), 1000).unwrap();
        assert_eq!(package.manifest.id.as_str(), "other");
    }

    #[test]
    fn what_is_no_plugin_is_refused_by_name() {
        let twice = component(&[(MANIFEST, MINIMAL), (MANIFEST, MINIMAL)]);
        let cases: [(&[u8], &str); 6] = [
            (b"", "empty"),
            (b"PK\x03\x04", "zip"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"(component)", "text"),
            (&component(&[]), "x.plugin.json"),
            (&twice, "more than once"),
        ];
        for (bytes, expected) in cases {
            let error = read(bytes, ("x.plugin.json", None), 1000).unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} should mention {expected:?}");
        }
    }

    #[test]
    fn a_truncated_file_is_refused_at_every_offset() {
        let whole = component(&[(MANIFEST, MINIMAL), (DEMO, "INSERT")]);
        let read_up_to = |end: usize| read(&whole[..end], ("x.plugin.json", None), 1000);
        let complete_at = whole.len();
        for end in 0..complete_at {
            if let Ok(package) = read_up_to(end) {
                assert!(package.demo.is_none(), "cut at {end} and still whole");
            }
        }
        assert!(read_up_to(complete_at).is_ok());
    }
}
