//! Why a TLS connection ends before its time, and what the peer is told.

use thiserror::Error;

/// What is wrong with what a peer sent after its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// It was changed on its way, sent twice, or left out.
    #[error("a TLS record is not authentic")]
    NotAuthentic,
    /// It is longer than a record may be.
    #[error("a TLS record is too long")]
    TooLong,
    /// It must not be sent at this point.
    #[error("a TLS record that must not be sent after the handshake")]
    Unexpected,
    /// New keys are asked for that cannot be made: too often, or after this process took the connection over.
    #[error("the keys of a TLS connection cannot be renewed")]
    NotRenewable,
    /// The peer has said that it gives up.
    #[error("the peer ended TLS with alert {0}")]
    Alert(u8),
}

impl Fault {
    /// The alert that the peer is told, if it is told one: RFC 8446, section 6.2.
    pub(super) const fn alert(self) -> Option<u8> {
        match self {
            Self::NotAuthentic => Some(BAD_RECORD_MAC),
            Self::TooLong => Some(RECORD_OVERFLOW),
            Self::Unexpected => Some(UNEXPECTED_MESSAGE),
            Self::NotRenewable => Some(INTERNAL_ERROR),
            Self::Alert(_) => None,
        }
    }
}

pub(super) const CLOSE_NOTIFY: u8 = 0;
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
const RECORD_OVERFLOW: u8 = 22;
pub(super) const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const INTERNAL_ERROR: u8 = 80;
pub(super) const USER_CANCELED: u8 = 90;
pub(super) const CERTIFICATE_REQUIRED: u8 = 116;

pub(super) const WARNING: u8 = 1;
pub(super) const FATAL: u8 = 2;

/// What a client hears that speaks TLS where none is spoken.
pub(crate) const NO_TLS_HERE: [u8; 7] = [21, 3, 1, 0, 2, FATAL, HANDSHAKE_FAILURE];

/// What a client hears that speaks only versions that are not safe.
pub(super) const TOO_OLD: [u8; 7] = [21, 3, 1, 0, 2, FATAL, PROTOCOL_VERSION];

/// What a client hears that speaks no TLS, and nothing that is known, where only TLS is spoken.
pub(super) const ONLY_TLS_HERE: [u8; 7] = [21, 3, 3, 0, 2, FATAL, UNEXPECTED_MESSAGE];
