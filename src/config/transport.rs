//! Section `security.transport`: encryption and what binds a token to a connection.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Encryption and what binds a token to a connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TransportConfig {
    /// Built-in TLS.
    pub tls: TlsConfig,
    /// Binding of messages to the connection that carries them.
    pub token_binding: TokenBindingConfig,
}

/// Built-in TLS. Files are PEM; they are read at start, with SIGHUP, and when they change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TlsConfig {
    /// Whether the ports speak TLS. Default false; needs certificate and key.
    pub enabled: bool,
    /// The certificate chain. Default null.
    pub certificate_path: Option<PathBuf>,
    /// Its private key. Default null.
    pub private_key_path: Option<PathBuf>,
    /// Further certificates with their keys: a client is shown the one for the name that it asks for, or else the first of all.
    /// Default none.
    pub certificates: Vec<CertificatePair>,
    /// The authority that client certificates are checked against. Default null.
    pub client_ca_cert_path: Option<PathBuf>,
    /// Whether clients show certificates. Default none; the other two need `client_ca_cert_path`.
    pub client_auth: ClientAuth,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            certificate_path: None,
            private_key_path: None,
            certificates: Vec::new(),
            client_ca_cert_path: None,
            client_auth: ClientAuth::None,
        }
    }
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CertificatePair {
    /// The certificate chain.
    pub certificate_path: PathBuf,
    /// Its private key.
    pub private_key_path: PathBuf,
}

impl TlsConfig {
    /// Chain and key of every certificate, the one of the section itself first.
    pub fn pairs(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let own = self.certificate_path.as_deref().zip(self.private_key_path.as_deref());
        let others = self.certificates.iter();
        own.into_iter()
            .chain(others.map(|pair| (&*pair.certificate_path, &*pair.private_key_path)))
    }
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Never asked.
    None,
    /// Checked when shown.
    Optional,
    /// No connection without one.
    Require,
}

/// Binding of messages to the connection that carries them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TokenBindingConfig {
    /// Whether it is offered. Default false.
    pub enabled: bool,
    /// Whether every client must use it. Default false; needs `enabled` and `tls.enabled`.
    pub required: bool,
    /// Whether every proof names the client certificate, and seats are given back only to the certificate that took them.
    /// Default false; needs `required` and a `tls.client_auth` other than none.
    pub require_client_fingerprint: bool,
    /// The WebSocket subprotocol that announces it. Default `signalfish.tokenbinding.v2`; a valid HTTP token.
    pub subprotocol: String,
    /// How the key is derived. Default `server_nonce_hkdf_sha256`.
    pub scheme: TokenBindingScheme,
}

impl TokenBindingConfig {
    /// The subprotocol of the built-in scheme, the only one allowed in its name space.
    pub const SUBPROTOCOL: &'static str = "signalfish.tokenbinding.v2";
}

impl Default for TokenBindingConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            required: false,
            require_client_fingerprint: false,
            subprotocol: Self::SUBPROTOCOL.to_owned(),
            scheme: TokenBindingScheme::ServerNonceHkdfSha256,
        }
    }
}

/// Subprotocols that mean nothing and are echoed to clients that must offer one: what is spoken is the path's to say, and the
/// handshake's. No binding may have such a name.
pub const PLAIN_SUBPROTOCOLS: [&str; 2] = ["signal-fish.v2", "signal-fish.v3"];

/// How the key of a token binding is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TokenBindingScheme {
    /// HKDF-SHA-256 over a nonce of the server.
    #[serde(rename = "server_nonce_hkdf_sha256")]
    ServerNonceHkdfSha256,
    /// The older scheme; it is read, and cannot be enabled.
    #[serde(rename = "sec_websocket_key_sha256")]
    SecWebsocketKeySha256,
}
