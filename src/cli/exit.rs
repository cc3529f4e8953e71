//! What the process prints before it ends, and its exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// The configuration is fine, or was shown.
const EXIT_OK: u8 = 0;
/// The configuration cannot be loaded or is not valid.
const EXIT_INVALID: u8 = 1;

/// What to print before ending.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// For the standard output.
    pub stdout: String,
    /// For the standard error.
    pub stderr: String,
    /// The exit code of the process.
    pub code: u8,
}

impl Exit {
    /// Prints both texts. A reader that is gone is no fault.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        // Nobody is left to tell when these fail.
        let _ = io::stdout().write_all(self.stdout.as_bytes());
        let _ = io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.code)
    }

    /// The same with one more fault, after which it is no success.
    #[must_use]
    pub fn and_fault(self, reason: impl std::fmt::Display) -> Self {
        let last = Self::invalid(reason);
        Self {
            stdout: String::new(),
            stderr: self.stderr + &last.stderr,
            code: last.code,
        }
    }

    pub(super) fn shown(stdout: String) -> Self {
        Self {
            stdout,
            stderr: String::new(),
            code: EXIT_OK,
        }
    }

    pub(super) fn invalid(reason: impl std::fmt::Display) -> Self {
        let stderr = reason
            .to_string()
            .lines()
            .map(|line| format!("Error: {line}\n"))
            .collect();
        Self {
            stdout: String::new(),
            stderr,
            code: EXIT_INVALID,
        }
    }
}
