//! Bytes as fast as a connection takes them, and readers that look at nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::target::be_nice;

/// How long anything here goes on when it was told to stop.
const STEP: Duration = Duration::from_millis(20);

/// Whether a flood goes on.
#[derive(Default)]
pub struct Switch(AtomicBool);

impl Switch {
    pub fn turn_off(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_off(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Writes the same bytes again and again until it is switched off. `false`: the server has ended the connection.
pub fn pour(mut stream: &TcpStream, bytes: &[u8], switch: &Switch) -> bool {
    be_nice(10);
    stream.set_write_timeout(Some(STEP)).expect("a timeout above zero");
    let mut at = 0;
    while !switch.is_off() {
        match stream.write(&bytes[at..]) {
            Ok(count) => at = (at + count) % bytes.len(),
            Err(error) if is_transient(error.kind()) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Reads whatever comes to any of these until it is switched off. Returns how many of them the server has ended.
pub fn drain(streams: &[TcpStream], switch: &Switch) -> usize {
    be_nice(10);
    let mut polled: Vec<_> = streams
        .iter()
        .map(|stream| libc::pollfd {
            fd: stream.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let mut bytes = vec![0; 256 * 1024];
    let mut ended = 0;
    while !switch.is_off() {
        let count = polled.len() as libc::nfds_t;
        // SAFETY: the array is ours, with its true length.
        unsafe { libc::poll(polled.as_mut_ptr(), count, STEP.as_millis() as libc::c_int) };
        for (poll, mut stream) in polled.iter_mut().zip(streams) {
            if poll.revents == 0 {
                continue;
            }
            match stream.read(&mut bytes) {
                Ok(count) if count > 0 => {}
                Err(error) if is_transient(error.kind()) => {}
                _ => {
                    ended += 1;
                    poll.fd = -1; // poll passes over it
                    poll.revents = 0;
                }
            }
        }
    }
    ended
}

fn is_transient(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
