//! The token that gives an absent player its seat back.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{RoomId, Secret};

/// A secret that a player is told with its seat, good for one return. Written as a uuid whose first twelve bits are the
/// room's slot, so that it leads to the room's home. Never printed.
#[derive(Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ReconnectToken([u8; 16]);

impl ReconnectToken {
    /// A token that leads to `slot` (below 4,096); the other bits are random.
    #[must_use]
    pub fn in_slot(slot: u16, random: [u8; 16]) -> Self {
        Self(*RoomId::in_slot(slot, random).as_bytes())
    }

    /// The slot that a text leads to, if it could be a token at all.
    #[must_use]
    pub fn slot_of(text: &str) -> Option<u16> {
        let token = Uuid::try_parse(text).ok()?;
        Some(RoomId::from_bytes(*token.as_bytes()).slot())
    }

    /// Whether `given` is this token, in the one spelling in which it was told. Takes as long for every wrong text of the
    /// right length.
    #[must_use]
    pub fn opens_with(&self, given: &Secret) -> bool {
        Secret::new(self.text()) == *given
    }

    fn text(&self) -> String {
        Uuid::from_bytes(self.0).as_hyphenated().to_string()
    }
}

impl Serialize for ReconnectToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl std::fmt::Debug for ReconnectToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReconnectToken([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_slot_and_opens_only_with_itself() {
        let token = ReconnectToken::in_slot(1234, [0xa5; 16]);
        let text = token.text();
        assert_eq!(ReconnectToken::slot_of(&text), Some(1234));
        assert!(token.opens_with(&Secret::new(text.clone())));
        assert!(!token.opens_with(&Secret::new(text.to_uppercase())));
        assert!(!token.opens_with(&Secret::new("")));
        assert_eq!(ReconnectToken::slot_of("not a token"), None);
        assert_eq!(format!("{token:?}"), "ReconnectToken([redacted])");
    }
}
