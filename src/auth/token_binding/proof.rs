//! A proof as a frame carries it.

use data_encoding::BASE64;

use super::canonical::Json;
use super::scheme::{OLD_SCHEME, SCHEME};
use crate::protocol::CertificateFingerprint;

/// A proof whose form is right; whether it proves anything is another question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof<'a> {
    pub(super) version: i64,
    /// A scheme that is known.
    pub(super) scheme: &'a str,
    pub(super) sequence: u64,
    pub(super) signature: Vec<u8>,
    /// That of the certificate that the client says it has.
    pub(super) fingerprint: Option<CertificateFingerprint>,
}

impl<'a> Proof<'a> {
    pub(super) fn new(
        version: i64,
        scheme: &'a str,
        sequence: u64,
        signature: &str,
        fingerprint: Option<&str>,
    ) -> Option<Self> {
        if ![SCHEME, OLD_SCHEME].contains(&scheme) {
            return None;
        }
        let fingerprint = match fingerprint {
            Some(text) => Some(CertificateFingerprint::from_hex(text)?),
            None => None,
        };
        Some(Self {
            version,
            scheme,
            sequence,
            signature: BASE64.decode(signature.as_bytes()).ok()?,
            fingerprint,
        })
    }

    pub(super) fn from_json(json: &'a Json<'_>) -> Option<Self> {
        let Json::Integer(version) = json.member("version")? else {
            return None;
        };
        let Json::Integer(sequence) = json.member("sequence")? else {
            return None;
        };
        let (Json::String(scheme), Json::String(signature)) = (json.member("scheme")?, json.member("signature")?)
        else {
            return None;
        };
        let fingerprint = match json.member("fingerprint") {
            None | Some(Json::Null) => None,
            Some(Json::String(fingerprint)) => Some(fingerprint.as_ref()),
            Some(_) => return None,
        };
        Self::new(*version, scheme, u64::try_from(*sequence).ok()?, signature, fingerprint)
    }
}
