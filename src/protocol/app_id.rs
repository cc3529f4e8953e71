//! The public name of an application.

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
    fn ids_are_bounded_and_printable() {
        assert!(AppId::parse("").is_some());
        assert!(AppId::parse(&"a".repeat(256)).is_some());
        assert!(AppId::parse(&"a".repeat(257)).is_none());
        assert!(AppId::parse("tab\tbed").is_none());
    }
}
