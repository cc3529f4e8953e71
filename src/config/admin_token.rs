//! What operators show to see inside and to act, from wherever the configuration says it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use thiserror::Error;

use super::{Config, Secret};

/// The most that is read of a token's file, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// Why there is no token where one was wanted.
#[derive(Debug, Error)]
pub enum AdminTokenError {
    /// Its file cannot be read.
    #[error(
        "the token of control.admin_token_path cannot be read from {path:?} ({source}); correct the path, or let this user read it"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is no token.
    #[error("the token of control {0}")]
    Unfit(&'static str),
}

impl Config {
    /// What operators must show; `None`: nothing, and then they may only look, from this machine. The white space at the end of a
    /// file is not part of it. A path is looked up from the working directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is blank, or is the token of the metrics: whoever watches may not act by that.
    pub fn admin_token(&self) -> Result<Option<Secret>, AdminTokenError> {
        let token = match (&self.control.admin_token, &self.control.admin_token_path) {
            (Some(token), _) => token.clone(),
            (None, Some(path)) => {
                let mut text = String::new();
                File::open(path)
                    .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
                    .map_err(|source| AdminTokenError::Unreadable {
                        path: path.clone(),
                        source,
                    })?;
                Secret::new(text.trim_end())
            }
            (None, None) => return Ok(None),
        };
        let text = token.expose();
        if text.is_empty() || text.trim() != text {
            return Err(AdminTokenError::Unfit(
                "must not be blank and must not begin or end with white space",
            ));
        }
        // A field of a request is where it is shown.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AdminTokenError::Unfit(
                "must be of printable ASCII characters without spaces",
            ));
        }
        if self.security.metrics_auth_token.as_ref() == Some(&token) {
            return Err(AdminTokenError::Unfit(
                "must not be security.metrics_auth_token: whoever watches could act",
            ));
        }
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_the_end_of_its_line_and_what_is_wrong_with_it_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let mut config = Config::default();
        assert!(config.admin_token().is_ok_and(|token| token.is_none()));
        config.control.admin_token_path = Some(path.clone());
        assert!(matches!(config.admin_token(), Err(AdminTokenError::Unreadable { .. })));
        std::fs::write(&path, "sixteen-characters\n").expect("written");
        let token = config.admin_token().expect("a token").expect("there is one");
        assert_eq!(token.expose(), "sixteen-characters");
        for unfit in ["", "\n", " padded", "two words", "schlüssel"] {
            std::fs::write(&path, unfit).expect("written");
            assert!(
                matches!(config.admin_token(), Err(AdminTokenError::Unfit(_))),
                "{unfit:?}"
            );
        }
        std::fs::write(&path, "of the metrics".replace(' ', "-")).expect("written");
        config.security.metrics_auth_token = Some(Secret::new("of-the-metrics"));
        let error = config.admin_token().expect_err("it is that of the metrics").to_string();
        assert!(
            error.contains("security.metrics_auth_token") && !error.contains("of-the-metrics"),
            "{error}"
        );
    }
}
