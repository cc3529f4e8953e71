//! What a connection reads.

use super::{GameDataFormat, ProtocolVersion};

/// The version and the game-data format that a connection negotiated: all that decides which encoding it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Dialect {
    /// Which form of each message it reads.
    pub version: ProtocolVersion,
    /// Which encoding its binary frames carry, in both directions.
    pub format: GameDataFormat,
    /// Whether it reads rkyv game data in this server's own envelope.
    pub reads_archives: bool,
}

impl Dialect {
    /// The least that every connection speaks.
    pub const FLOOR: Self = Self::unnegotiated(ProtocolVersion::V2);

    /// What a connection of `version` speaks before, or without, a handshake.
    #[must_use]
    pub const fn unnegotiated(version: ProtocolVersion) -> Self {
        Self {
            version,
            format: GameDataFormat::Json,
            reads_archives: false,
        }
    }
}
