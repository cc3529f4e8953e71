//! The key that connect tokens are checked with, from wherever the configuration says it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use thiserror::Error;

use super::ConnectTokenConfig;
use crate::auth::connect_token::{KeyFault, TokenKey};

/// The most that is read of a key's file, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum TokenKeyError {
    /// Its file cannot be read.
    #[error(
        "the key of connect tokens cannot be read from {path:?} ({source}); correct the path, or let this user read it"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is no good key.
    #[error("security.connect_token {0}")]
    Fault(#[from] KeyFault),
}

impl ConnectTokenConfig {
    /// The key. A path is looked up from the working directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no good key.
    pub fn key(&self) -> Result<TokenKey, TokenKeyError> {
        let text = match (&self.public_key, &self.public_key_path) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => {
                let mut text = String::new();
                File::open(path)
                    .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
                    .map_err(|source| TokenKeyError::Unreadable {
                        path: path.clone(),
                        source,
                    })?;
                text
            }
            (None, None) => String::new(),
        };
        Ok(TokenKey::parse(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_what_is_wrong_with_it_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        let config = ConnectTokenConfig {
            public_key_path: Some(path.clone()),
            ..ConnectTokenConfig::default()
        };
        assert!(matches!(config.key(), Err(TokenKeyError::Unreadable { .. })));
        std::fs::write(&path, "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n").expect("written");
        assert!(config.key().is_ok());
        std::fs::write(&path, "AAAA").expect("written");
        assert!(matches!(config.key(), Err(TokenKeyError::Fault(KeyFault::Length(3)))));
    }
}
