//! Events that could not be delivered, in a file.
//!
//! One line of JSON for each. The file is the operator's alone to read, and never larger than it may be: what does not fit is not
//! kept. Whoever moves it away gets a new one.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// Nobody but the owner.
const MODE: u32 = 0o600;

/// The file.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    max_bytes: u64,
}

impl DeadLetters {
    pub(super) const fn new(path: PathBuf, max_bytes: u64) -> Self {
        Self { path, max_bytes }
    }

    /// Keeps lines, all of them or none.
    pub(super) fn keep(&self, lines: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .open(&self.path)?;
        let before = file.metadata()?.len();
        if before.saturating_add(lines.len() as u64) > self.max_bytes {
            return Err(io::Error::other("the file of dead letters is full; take it away"));
        }
        // It may have been there, open to others.
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(lines.as_bytes()).inspect_err(|_| {
            // So that every line in it is whole. If that fails as well, the next one begins behind a torn one.
            let _ = file.set_len(before);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_kept_for_the_owner_alone_and_only_so_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dead.jsonl");
        fs::write(&path, "").expect("it may be written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
        let letters = DeadLetters::new(path.clone(), 8);
        letters.keep("abc\n").expect("there is room");
        letters.keep("defgh\n").expect_err("there is none");
        letters.keep("def\n").expect("there is, for this");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "abc\ndef\n");
        assert_eq!(
            fs::metadata(&path).expect("it is there").permissions().mode() & 0o777,
            MODE
        );
        fs::remove_file(&path).expect("it is ours");
        letters.keep("ghi\n").expect("a new one");
        assert_eq!(
            fs::metadata(&path).expect("it is there").permissions().mode() & 0o777,
            MODE
        );
    }
}
