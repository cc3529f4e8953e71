//! What a handshake goes by: certificates, chosen by the name that a client asks for; who may come; tickets.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, version};
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a handshake goes by.
#[derive(Clone)]
pub struct Terms {
    /// The library's settings.
    pub(super) config: Arc<ServerConfig>,
    /// Who judges client certificates; `None`: none are asked for.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    rule: Option<Arc<ClientRule>>,
    tickets: Arc<dyn ProducesTickets>,
    expires_unix_secs: i64,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    pair: Arc<CertifiedKey>,
    /// In lower case; the first label may be `*`.
    names: Vec<String>,
    /// When the first of its chain ends, in seconds since 1970.
    expires_unix_secs: i64,
}

/// Which clients may come.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientRule {
    /// Whom their certificates must come from.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether one without a certificate is refused.
    pub is_required: bool,
}

/// Why there are no terms.
#[derive(Debug, Error)]
pub enum TermsError {
    /// There is nothing to show.
    #[error("there is no certificate in it; give the chain in PEM, the server's own certificate first")]
    Empty,
    /// It is no certificate.
    #[error("it is no certificate that can be read: {0}")]
    Unreadable(String),
    /// The pair does not fit, or the key is of a kind that is not supported.
    #[error("the certificate and the key do not work together: {0}")]
    Pair(rustls::Error),
    /// The authorities are no such.
    #[error("client certificates cannot be checked with it: {0}")]
    Authorities(String),
    /// The library does not take it.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Makes and reads tickets, by which clients resume. Tickets outlive changes of certificates.
///
/// # Errors
///
/// When the library has no randomness.
pub fn tickets() -> Result<Arc<dyn ProducesTickets>, TermsError> {
    Ok(ring::Ticketer::new()?)
}

impl Certificate {
    /// A pair that can be served.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TermsError> {
        let unreadable = |error: &dyn fmt::Display| TermsError::Unreadable(error.to_string());
        let mut expires_unix_secs = i64::MAX;
        for certificate in &chain {
            let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
            expires_unix_secs = expires_unix_secs.min(certificate.validity().not_after.timestamp());
        }
        let (_, leaf) =
            X509Certificate::from_der(chain.first().ok_or(TermsError::Empty)?).map_err(|error| unreadable(&error))?;
        let alternatives = leaf.subject_alternative_name().map_err(|error| unreadable(&error))?;
        let names = alternatives.into_iter().flat_map(|names| &names.value.general_names);
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let names = names.collect();
        let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(TermsError::Pair)?;
        Ok(Self {
            pair: Arc::new(pair),
            names,
            expires_unix_secs,
        })
    }

    /// When the first of its chain ends, in seconds since 1970.
    #[must_use]
    pub const fn expires_unix_secs(&self) -> i64 {
        self.expires_unix_secs
    }

    /// The names that it is for, in lower case.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Terms {
    /// Terms with these certificates; who asks for no name, or for another, is shown the first.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn new(
        certificates: Vec<Certificate>,
        clients: Option<ClientRule>,
        tickets: Arc<dyn ProducesTickets>,
    ) -> Result<Self, TermsError> {
        let rule = clients.map(Arc::new);
        let clients = rule.as_deref().map(verifier).transpose()?;
        let expires_unix_secs = certificates.iter().map(Certificate::expires_unix_secs).min();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(certificates)?));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.enable_secret_extraction = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&tickets);
        // A game comes with one connection at a time.
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
            clients,
            rule,
            tickets,
            expires_unix_secs: expires_unix_secs.ok_or(TermsError::Empty)?,
        })
    }

    /// Whether the same clients may come under a rule: their tickets are then good under it.
    #[must_use]
    pub fn admits_like(&self, rule: Option<&ClientRule>) -> bool {
        self.rule.as_deref() == rule
    }

    /// What makes and reads its tickets.
    #[must_use]
    pub fn tickets(&self) -> &Arc<dyn ProducesTickets> {
        &self.tickets
    }

    /// When the first of its certificates ends, in seconds since 1970.
    #[must_use]
    pub const fn expires_unix_secs(&self) -> i64 {
        self.expires_unix_secs
    }
}

fn verifier(rule: &ClientRule) -> Result<Arc<dyn ClientCertVerifier>, TermsError> {
    let authorities = |error: &dyn fmt::Display| TermsError::Authorities(error.to_string());
    let mut roots = RootCertStore::empty();
    for authority in &rule.authorities {
        roots.add(authority.clone()).map_err(|error| authorities(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = if rule.is_required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder.build().map_err(|error| authorities(&error))
}

/// The certificates, by the names that they are for.
#[derive(Debug)]
struct Certificates {
    first: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    fn new(certificates: Vec<Certificate>) -> Result<Self, TermsError> {
        let first = Arc::clone(&certificates.first().ok_or(TermsError::Empty)?.pair);
        let mut by_name = HashMap::new();
        for certificate in certificates {
            for name in certificate.names {
                by_name.entry(name).or_insert_with(|| Arc::clone(&certificate.pair));
            }
        }
        Ok(Self { first, by_name })
    }

    fn of(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wild = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        self.by_name.get(&name).or_else(|| self.by_name.get(&wild()?))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = hello.server_name().and_then(|name| self.of(name));
        Some(Arc::clone(chosen.unwrap_or(&self.first)))
    }
}

/// What is in it is secret, or very long.
impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("asks_for_certificates", &self.clients.is_some())
            .finish_non_exhaustive()
    }
}
