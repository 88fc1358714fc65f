//! TLS as the host speaks it to servers outside: rustls on ring, and whom it believes.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The certificates of a file (PEM) that may vouch for a server. None where no file is named.
///
/// # Errors
///
/// When they cannot be read, in words.
pub fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let unusable = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))?.collect();
    let found = found.map_err(|error| unusable(&error))?;
    let mut tried = RootCertStore::empty();
    found.iter().try_for_each(|certificate| tried.add(certificate.clone())).map_err(|error| unusable(&error))?;
    if found.is_empty() { Err(unusable(&"it has no certificate")) } else { Ok(found) }
}

/// A client that believes those who vouch on this system, and these.
///
/// # Errors
///
/// In words.
pub fn client(more: Vec<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(more);
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
