//! The negotiated protocol version.

/// Which form of each message a connection reads and writes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub enum ProtocolVersion {
    /// The floor: every published client speaks it.
    V2,
    /// Adds sender stamps, delivery classes and reports.
    V3,
}

impl ProtocolVersion {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}
