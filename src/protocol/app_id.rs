//! The public name of an application.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An application's id: a public name, not a secret. Rooms belong to the application of their creator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct AppId(Box<str>);

impl AppId {
    /// The most bytes that an id may have.
    pub const MAX_BYTES: usize = 256;

    /// An id as configured; ids from clients go through [`parse`](Self::parse).
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// An id from a client: at most 256 bytes and no control characters. The empty id is legal.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        (id.len() <= Self::MAX_BYTES && !id.chars().any(char::is_control)).then(|| Self::new(id))
    }

    /// The id under which a listed application's figures and rooms are shown: derived from the text, for ever.
    #[must_use]
    pub fn listed_uuid(&self) -> Uuid {
        Self::derived(&[self.0.as_bytes()])
    }

    /// The same of an application that any client may name: never that of a listed one.
    #[must_use]
    pub fn open_uuid(&self) -> Uuid {
        Self::derived(&[b"signal-fish:open-policy-app\0", self.0.as_bytes()])
    }

    fn derived(parts: &[&[u8]]) -> Uuid {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::AppId;

    #[test]
    fn ids_are_shown_as_other_servers_of_the_protocol_show_them() {
        let listed = AppId::new("studio-a").listed_uuid();
        assert_eq!(listed.to_string(), "067f307d-7789-4131-857b-65796aaf71ef");
        let open = AppId::new("lab-app").open_uuid();
        assert_eq!(open.to_string(), "2b643061-8df8-4eb0-bfe0-da7f4dee02a0");
    }

    #[test]
    fn ids_are_bounded_and_printable() {
        assert!(AppId::parse("").is_some());
        assert!(AppId::parse(&"a".repeat(256)).is_some());
        assert!(AppId::parse(&"a".repeat(257)).is_none());
        assert!(AppId::parse("tab\tbed").is_none());
    }
}
