//! Whom a server that is asked over TLS must be vouched for by.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why nobody can be trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file of authorities cannot be read.
    #[error("{} cannot be read ({why}); name a PEM file with authorities", .path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system has none.
    #[error(
        "the system has no authorities that could vouch for {host}; install ca-certificates, or name a PEM file with yours"
    )]
    NoAuthorities {
        /// Who would have to be vouched for.
        host: String,
    },
    /// The library does not take them.
    #[error("TLS cannot be spoken: {0}")]
    Library(#[from] rustls::Error),
}

/// How TLS is spoken to `url`, with the authorities of a file or else of the system. Where none is, none are needed.
pub(super) fn terms(url: &Uri, ca_path: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = if url.scheme_str() == Some("https") {
        authorities(url, ca_path)?
    } else {
        RootCertStore::empty()
    };
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(url: &Uri, ca_path: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_path else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let host = url.host().unwrap_or_default().to_owned();
            return Err(TrustError::NoAuthorities { host });
        }
        return Ok(roots);
    };
    let fault = |why: String| TrustError::File {
        path: path.to_owned(),
        why,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fault(io::Error::from(io::ErrorKind::UnexpectedEof).to_string()));
    }
    Ok(roots)
}
