//! A client's certificate, as far as anybody but TLS has to know it.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The SHA-256 of a client's own certificate, in its DER form. It names and proves nothing by itself: that the client holds
/// the private key is for the TLS handshake to show. So it is no secret, is compared by value, and may be printed.
#[derive(Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct CertificateFingerprint([u8; 32]);

impl CertificateFingerprint {
    /// That of the certificate that a client has shown and that was found good.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The same in lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 64] {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut digits);
        digits
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sha_256_of_all_bytes_in_lower_case() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let fingerprint = CertificateFingerprint::of(b"abc");
        assert_eq!(fingerprint.to_hex(), text.as_bytes());
        assert_eq!(CertificateFingerprint::from_hex(text), Some(fingerprint));
        assert_eq!(format!("{fingerprint:?}"), text);
        assert_ne!(CertificateFingerprint::of(b"abd"), fingerprint);
    }

    #[test]
    fn one_fingerprint_has_one_text() {
        let text = "0f".repeat(32);
        assert!(CertificateFingerprint::from_hex(&text).is_some());
        for other in [
            "",
            "0f",
            &text[..62],
            &text[..63],
            &format!("{text}0f"),
            &text.to_uppercase(),
            &text.replace("0f", "0g"),
            &text.replace("0f", "0F"),
            &format!(" {}", &text[1..]),
        ] {
            assert_eq!(CertificateFingerprint::from_hex(other), None, "{other:?}");
        }
    }
}
