//! Whom a TLS client trusts, who it says it is, and how often it resumes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version};

use crate::cli::{TlsArguments, TlsVersion};
use crate::client::tls::session::Session;
use crate::client::tls::tickets::Tickets;

/// Opens TLS sessions with one server.
#[derive(Debug)]
pub(crate) struct TlsClient {
    name: ServerName<'static>,
    afresh: Arc<ClientConfig>,
    resuming: Arc<ClientConfig>,
    /// Share of the sessions that resume if they can.
    resumed_share: f64,
    opened: AtomicU64,
    /// Whoever answers is believed.
    pub(crate) insecure: bool,
}

impl TlsClient {
    /// Reads certificates and keys. `host` is the server's in the URL.
    pub(crate) fn new(arguments: &TlsArguments, host: &str) -> Result<Self> {
        let resumed_share = arguments.tls_resume.unwrap_or(0.0);
        ensure!((0.0..=1.0).contains(&resumed_share), "--tls-resume must be 0 to 1");
        let name = arguments.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| anyhow!("{name:?} cannot be in a certificate; name the server with --server-name"))?;
        let afresh = config(arguments)?;
        let mut resuming = afresh.clone();
        resuming.resumption = Resumption::store(Arc::new(Tickets::default()));
        Ok(Self {
            name,
            afresh: Arc::new(afresh),
            resuming: Arc::new(resuming),
            resumed_share,
            opened: AtomicU64::new(0),
            insecure: arguments.insecure,
        })
    }

    /// The next session, its first words behind `preamble`.
    pub(crate) fn open(&self, preamble: &[u8]) -> Result<Session> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let config = if is_chosen(number, self.resumed_share) {
            &self.resuming
        } else {
            &self.afresh
        };
        let tls = UnbufferedClientConnection::new(Arc::clone(config), self.name.clone()).context("TLS")?;
        Session::new(tls, preamble).context("TLS")
    }
}

/// Spreads a share evenly: true so often among the first `number` and itself.
fn is_chosen(number: u64, share: f64) -> bool {
    ((number + 1) as f64 * share).floor() > (number as f64 * share).floor()
}

fn config(arguments: &TlsArguments) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = match arguments.tls_version.unwrap_or(TlsVersion::Auto) {
        TlsVersion::Auto => &[&version::TLS13, &version::TLS12],
        TlsVersion::V1_2 => &[&version::TLS12],
        TlsVersion::V1_3 => &[&version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = match &arguments.ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("--ca", path)? {
                roots
                    .add(certificate)
                    .with_context(|| format!("--ca {}: not a certificate to trust", path.display()))?;
            }
            builder.with_root_certificates(roots)
        }
        None => {
            ensure!(
                arguments.insecure,
                "wss:// needs --ca FILE with the certificates to trust, or --insecure to accept any"
            );
            let anybody = Arc::new(Anybody(provider));
            builder.dangerous().with_custom_certificate_verifier(anybody)
        }
    };
    let mut config = match (&arguments.client_cert, &arguments.client_key) {
        (Some(chain), Some(key)) => {
            let chain = certificates("--client-cert", chain)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| anyhow!("--client-key {}: {error}", key.display()))?;
            builder
                .with_client_auth_cert(chain, key)
                .context("--client-cert and --client-key do not fit each other")?
        }
        _ => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = |error| anyhow!("{option} {}: {error}", path.display());
    let all = CertificateDer::pem_file_iter(path).map_err(read)?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(read)?;
    ensure!(
        !all.is_empty(),
        "{option} {}: no certificate in it (PEM)",
        path.display()
    );
    Ok(all)
}

/// Believes everybody; only that the server holds the key to its own certificate is checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly() {
        let chosen = |share| (0..1000).filter(|&number| is_chosen(number, share)).count();
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(chosen), [0, 250, 500, 1000]);
        assert!(!is_chosen(0, 0.5) && is_chosen(1, 0.5) && !is_chosen(2, 0.5));
    }

    #[test]
    fn a_wss_server_is_believed_only_by_a_ca_or_on_purpose() {
        let error = TlsClient::new(&TlsArguments::default(), "localhost").expect_err("nobody is trusted");
        assert!(error.to_string().contains("--insecure"), "{error}");
        let insecure = TlsArguments {
            insecure: true,
            ..TlsArguments::default()
        };
        assert!(TlsClient::new(&insecure, "127.0.0.1").is_ok());
        assert!(TlsClient::new(&insecure, "two words").is_err());
        let missing = TlsArguments {
            ca: Some("/nonexistent/ca.pem".into()),
            ..TlsArguments::default()
        };
        let error = TlsClient::new(&missing, "localhost").expect_err("no such file");
        assert!(error.to_string().contains("--ca /nonexistent/ca.pem"), "{error}");
    }
}
