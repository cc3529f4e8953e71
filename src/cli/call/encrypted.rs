//! TLS towards a server that the command line asks.
//!
//! A probe takes any certificate: nothing secret is said, and it asks by an address, for which no certificate is. So whoever
//! answers may be anybody, which a probe of plain HTTP would not find out either. Whoever shows the operators' token takes
//! the certificates of the server's own configuration and no others, whatever names they are for.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

/// The only protocol that is offered.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Whose certificates will do.
#[derive(Debug)]
pub(in crate::cli) enum Trust {
    /// Anybody's.
    Anybody,
    /// These.
    Only(Vec<CertificateDer<'static>>),
}

/// Speaks TLS on `stream`, to whoever answers there to the name `host`.
pub(super) fn over<S: Read + Write>(
    stream: S,
    host: &str,
    trust: Trust,
) -> io::Result<StreamOwned<ClientConnection, S>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let provider = Arc::new(ring::default_provider());
    let judge = Judge(trust, provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// Judges certificates. Whoever shows one has its key.
#[derive(Debug)]
struct Judge(Trust, WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.0 {
            Trust::Only(ours) if !ours.iter().any(|own| own.as_ref() == shown.as_ref()) => Err(Error::General(
                "its certificate is none of this configuration".to_owned(),
            )),
            Trust::Anybody | Trust::Only(_) => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.1)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.supported_schemes()
    }
}
