//! Requests that could not be delivered, in a file.
//!
//! A line for each, with its body. The file is the operator's alone to read, and never larger than it may be: what does not fit is not
//! kept. Whoever moves it away gets a new one. Promises that a disk that does not answer is waited for once and not for long, and
//! costs one thread.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// Nobody but the owner.
const MODE: u32 = 0o600;

/// How long a write may take.
const DISK: Duration = Duration::from_secs(1);

/// The file.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    max_bytes: u64,
    /// A write that was not waited for to its end.
    under_way: Option<JoinHandle<io::Result<()>>>,
}

impl DeadLetters {
    pub(super) const fn new(path: PathBuf, max_bytes: u64) -> Self {
        Self {
            path,
            max_bytes,
            under_way: None,
        }
    }

    /// Keeps lines, all of them or none. Of what takes too long nobody knows.
    pub(super) async fn keep(&mut self, lines: Vec<u8>) -> io::Result<()> {
        let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer");
        if self.under_way.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return Err(stuck());
        }
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let mut writing = spawn_blocking(move || append(&path, max_bytes, &lines));
        let Ok(written) = timeout(DISK, &mut writing).await else {
            self.under_way = Some(writing);
            return Err(stuck());
        };
        written.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

fn append(path: &Path, max_bytes: u64, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if before.len().saturating_add(lines.len() as u64) > max_bytes {
        return Err(io::Error::other("the file of dead letters is full; take it away"));
    }
    // It may have been there, open to others.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(lines).inspect_err(|_| {
        // So that every line in it is whole. If that fails as well, the next one begins behind a torn one.
        let _ = file.set_len(before.len());
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn lines_are_kept_for_the_owner_alone_and_only_so_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dead.jsonl");
        fs::write(&path, "").expect("it may be written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
        let keep = |lines: &str| append(&path, 8, lines.as_bytes());
        keep("abc\n").expect("there is room");
        keep("defgh\n").expect_err("there is none");
        keep("def\n").expect("there is, for this");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "abc\ndef\n");
        assert_eq!(
            fs::metadata(&path).expect("it is there").permissions().mode() & 0o777,
            MODE
        );
        fs::remove_file(&path).expect("it is ours");
        keep("ghi\n").expect("a new one");
        assert_eq!(
            fs::metadata(&path).expect("it is there").permissions().mode() & 0o777,
            MODE
        );
    }

    #[test]
    fn a_disk_that_does_not_answer_is_waited_for_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        // Nobody reads it, so opening it takes for ever.
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let mut letters = DeadLetters::new(path.clone(), 1 << 20);
        let mut keep = || {
            runtime
                .block_on(letters.keep(b"abc\n".to_vec()))
                .expect_err("it is no file")
                .kind()
        };
        assert_eq!(keep(), io::ErrorKind::TimedOut);
        let since = Instant::now();
        for _ in 0..100 {
            assert_eq!(keep(), io::ErrorKind::TimedOut);
        }
        assert!(since.elapsed() < 50 * DISK, "only the first is waited for");
        // With somebody at the other end it opens, and the next one is tried.
        let _reader = OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
        while keep() == io::ErrorKind::TimedOut {}
        assert_eq!(keep(), io::ErrorKind::Other);
    }
}
