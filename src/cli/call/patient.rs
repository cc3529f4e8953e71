//! A socket with one deadline for everything that is done on it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    span: Duration,
    give_up_at: Instant,
}

/// A connected socket. No call on it lasts beyond the deadline, and however many there are, all of them do not.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    patience: Patience,
}

/// From now on.
pub(super) fn until(span: Duration) -> Patience {
    let give_up_at = Instant::now() + span;
    Patience { span, give_up_at }
}

impl Patience {
    pub(super) fn connect(self, address: &SocketAddr) -> io::Result<Patient> {
        let stream = TcpStream::connect_timeout(address, self.left()?).map_err(|error| self.told(error))?;
        let patience = self;
        Ok(Patient { stream, patience })
    }

    fn left(self) -> io::Result<Duration> {
        let left = self.give_up_at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.over()) } else { Ok(left) }
    }

    fn over(self) -> io::Error {
        io::Error::other(format!("nothing came within {} s", self.span.as_secs()))
    }

    /// A wait that was over says so in the kernel's words.
    fn told(self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.over(),
            _ => error,
        }
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.patience.left()?))?;
        self.stream.read(into).map_err(|error| self.patience.told(error))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.patience.left()?))?;
        self.stream.write(bytes).map_err(|error| self.patience.told(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
