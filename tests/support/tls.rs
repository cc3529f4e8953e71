//! TLS from the other side: an authority of one test, files with what it has signed, and clients that believe it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use signal_fish_relay::config::{Config, TlsConfig};
use tempfile::TempDir;

/// The name that servers of tests have.
pub const NAME: &str = "relay.example";

/// TLS 1.2 alone.
pub static V1_2: [&SupportedProtocolVersion; 1] = [&version::TLS12];
/// TLS 1.3 alone.
pub static V1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];

/// Signs certificates. Its files are gone with it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate with its key, in files and in memory.
pub struct Identity {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
    /// The certificate itself.
    pub der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    /// An authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("authority.pem"), issuer.pem()).expect("a file of ours");
        Self { issuer, directory }
    }

    /// Where its own certificate is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// A certificate for a server. The same file names again take the place of what was there.
    pub fn server(&self, file: &str) -> Identity {
        self.sign(file, &[NAME, "localhost", "127.0.0.1"], 2_100)
    }

    /// A certificate for these names that ends with the begin of a year.
    pub fn sign(&self, file: &str, names: &[&str], year: i32) -> Identity {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
        params.distinguished_name.push(DnType::CommonName, file);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let [certificate, key_path] = ["", "-key"].map(|kind| self.directory.path().join(format!("{file}{kind}.pem")));
        fs::write(&key_path, key.serialize_pem()).expect("a file of ours");
        fs::write(&certificate, signed.pem()).expect("a file of ours");
        Identity {
            certificate,
            key: key_path,
            der: signed.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// Who believes it, and speaks both versions.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_of(&[&version::TLS13, &version::TLS12], None)
    }

    /// Who believes it, speaks these versions, and shows a certificate.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions of the library's")
            .with_root_certificates(roots);
        Arc::new(match identity {
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key_der.clone()).expect("a key");
                builder
                    .with_client_auth_cert(vec![identity.der.clone()], key)
                    .expect("a pair")
            }
            None => builder.with_no_client_auth(),
        })
    }
}

impl Identity {
    /// Has a server speak TLS as this one.
    pub fn serve(&self, config: &mut Config) {
        config.security.transport.tls = TlsConfig {
            enabled: true,
            certificate_path: Some(self.certificate.clone()),
            private_key_path: Some(self.key.clone()),
            ..TlsConfig::default()
        };
    }
}
