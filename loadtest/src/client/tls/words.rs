//! What went wrong with TLS, and what can be done about it.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// The error in words; `bytes` is what the server said.
pub(super) fn of(error: &Error, bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/") {
        return "the server answered TLS in plain HTTP: is it a ws:// port?".to_owned();
    }
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "TLS: the server's certificate is not signed by --ca".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => format!(
            "TLS: the server's certificate is not for {}, but for {}; --server-name says which to expect",
            expected.to_str(),
            presented.join(", ")
        ),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "TLS: the server demands a client certificate: give --client-cert and --client-key".to_owned()
        }
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate),
        ) => format!("TLS: the server does not accept our certificate (--client-cert): {alert:?}"),
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "TLS: the server refused the handshake: it may demand \
             a client certificate (--client-cert), or speak none of our cipher suites"
                .to_owned()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => "TLS: the server does not speak a version of TLS that --tls-version allows".to_owned(),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "TLS: the server does not know the name that was asked for; --server-name sets another".to_owned()
        }
        Error::AlertReceived(alert) => format!("TLS: the server sent the alert {alert:?}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "TLS: what the server answered is not TLS: is it a wss:// port?".to_owned()
        }
        other => format!("TLS: {other}"),
    }
}
