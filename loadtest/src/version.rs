//! The two versions of the protocol.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The version that a group's members speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub(crate) enum Version {
    #[default]
    V2,
    V3,
}

impl Version {
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl TryFrom<u16> for Version {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        match number {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            other => Err(format!(
                "version {other} of the protocol is not spoken here; give 2 or 3"
            )),
        }
    }
}

impl From<Version> for u16 {
    fn from(version: Version) -> Self {
        version.number()
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: u16 = text.parse().map_err(|_| "give 2 or 3".to_owned())?;
        Self::try_from(number)
    }
}
