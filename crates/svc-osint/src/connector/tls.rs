//! Whom an encrypted connection trusts: the system's authorities, and one file of further ones.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

/// The settings of every `https` connection. Fails with a Spanish clause when there is nobody to
/// trust, as on an image without `ca-certificates`.
pub(super) fn trusting(extra: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = provider();
    let extra = extra.map(read_authorities).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(|e| {
        format!("esta máquina no tiene autoridades de certificación en las que confiar ({e}); instale ca-certificates")
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Settings that trust nobody: for plain `http`, whose client insists on having some.
pub(super) fn trusting_nobody() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |e: rustls::pki_types::pem::Error| {
        format!("no se puede leer el fichero de autoridades {}: {e}", file.display())
    };
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)
}
