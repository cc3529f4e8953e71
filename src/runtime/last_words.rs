//! Words on the standard error by a process that is about to end.
//!
//! Promises to end within a second whoever reads the other end, and whether anybody does. What a thread wants to have said of
//! its death it leaves beforehand: then, nothing that it was changing may be asked.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long the reader has.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a pipe takes in one piece once it takes anything.
const PIECE_BYTES: usize = 4096;

type Story = Box<dyn Fn() -> Option<String>>;

thread_local! {
    static STORY: RefCell<Option<Story>> = const { RefCell::new(None) };
}

/// Leaves what is to be said if this thread panics, beside that. It is asked then, and must not depend on what panicked.
pub fn leave_story(story: impl Fn() -> Option<String> + 'static) {
    STORY.with(|left| *left.borrow_mut() = Some(Box::new(story)));
}

/// What this thread has left to be said.
pub(super) fn story() -> Option<String> {
    let told = STORY.try_with(|left| left.try_borrow().ok()?.as_ref()?());
    told.ok().flatten()
}

/// Writes a line to the standard error. What is not taken within a second is not said.
pub fn say(line: &str) {
    use std::os::fd::AsFd;
    let line = format!("{line}\n");
    // Nothing is left to do about a standard error that takes nothing.
    let _ = write_within(io::stderr().as_fd(), line.as_bytes(), PATIENCE);
}

fn write_within(stream: BorrowedFd<'_>, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd {
            fd: stream.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        let timeout_ms = libc::c_int::try_from(left.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one structure of this frame, and its number.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => return Err(io::ErrorKind::TimedOut.into()),
            1.. => {}
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
        }
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        // SAFETY: pointer and length are those of a slice, and the descriptor is open.
        let written = unsafe { libc::write(poll.fd, piece.as_ptr().cast(), piece.len()) };
        match usize::try_from(written) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn everything_is_said_to_a_reader_and_nobody_waits_for_one_that_does_not_read() {
        let (mut reader, writer) = pipe().expect("a pipe");
        write_within(writer.as_fd(), &[b'x'; 10_000], PATIENCE).expect("it has room");
        let mut read = vec![0; 10_000];
        reader.read_exact(&mut read).expect("said");
        let stuck = write_within(writer.as_fd(), &[b'x'; 1 << 20], Duration::from_millis(1));
        assert_eq!(stuck.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        drop(reader);
        assert!(write_within(writer.as_fd(), b"x", PATIENCE).is_err());
    }
}
