//! A proof as a frame carries it.

use data_encoding::BASE64;

use super::canonical::Json;
use super::scheme::{OLD_SCHEME, SCHEME};

/// A proof whose form is right; whether it proves anything is another question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof<'a> {
    pub(super) version: i64,
    /// A scheme that is known.
    pub(super) scheme: &'a str,
    pub(super) sequence: u64,
    pub(super) signature: Vec<u8>,
    /// The fingerprint of a client certificate, if the client has one.
    pub(super) fingerprint: Option<&'a str>,
}

impl<'a> Proof<'a> {
    pub(super) fn new(
        version: i64,
        scheme: &'a str,
        sequence: u64,
        signature: &str,
        fingerprint: Option<&'a str>,
    ) -> Option<Self> {
        if ![SCHEME, OLD_SCHEME].contains(&scheme) || !fingerprint.is_none_or(is_fingerprint) {
            return None;
        }
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

/// SHA-256 in lower-case hexadecimal digits.
fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
