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
    /// The newest version spoken here that is no newer than `number`, if there is one.
    #[must_use]
    pub const fn at_most(number: u16) -> Option<Self> {
        match number {
            0 | 1 => None,
            2 => Some(Self::V2),
            _ => Some(Self::V3),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_the_newest_version_that_it_covers() {
        let known =
            [0, 1, 2, 3, 4, u16::MAX].map(|number| ProtocolVersion::at_most(number).map(ProtocolVersion::number));
        assert_eq!(known, [None, None, Some(2), Some(3), Some(3), Some(3)]);
    }
}
