//! The scheme by its names and numbers, as both sides know them.

/// The version of the scheme.
pub const SCHEME_VERSION: u8 = 2;

/// The scheme's name in challenges and proofs.
pub const SCHEME: &str = "server_nonce_hkdf_sha256";

/// The scheme that this one replaced: known, and not accepted.
pub(super) const OLD_SCHEME: &str = "sec_websocket_key_sha256";

/// The number of the first frame.
pub const FIRST_SEQUENCE: u64 = 1;

/// Bytes of the server's nonce.
pub const NONCE_BYTES: usize = 32;

/// The member of a message that carries its proof.
pub(super) const PROOF_MEMBER: &str = "token_binding";
