//! The versions that a server speaks.

use crate::protocol::ProtocolVersion;

/// Which versions are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub oldest: ProtocolVersion,
    /// The newest.
    pub newest: ProtocolVersion,
}

impl VersionRange {
    /// Everything that this server knows.
    pub const ALL: Self = Self {
        oldest: ProtocolVersion::V2,
        newest: ProtocolVersion::V3,
    };

    /// What is spoken with a client whose newest version is `asked`, if anything.
    pub(super) fn negotiate(self, asked: u16) -> Option<ProtocolVersion> {
        ProtocolVersion::at_most(asked)
            .map(|version| version.min(self.newest))
            .filter(|version| *version >= self.oldest)
    }
}
