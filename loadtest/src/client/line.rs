//! One connection at leisure: blocking reads and writes, over the same way as those of the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::client::outbox::Outbox;
use crate::client::tls::Session;
use crate::server::Server;

const READ_BYTES: usize = 4096;

/// A blocking connection to a server.
pub(crate) struct Line {
    stream: TcpStream,
    tls: Option<Session>,
    /// Opened, and not yet read.
    plain: Vec<u8>,
}

impl Line {
    /// Connects; afterwards every read and write takes at most `patience`.
    pub(crate) fn connect(server: &Server, patience: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server.address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(source) = server.source_of(0) {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect_timeout(&server.address.into(), patience)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: socket.into(),
            tls: None,
            plain: Vec::new(),
        })
    }

    /// Says what comes before the first word of WebSocket: as whose proxy, and TLS.
    pub(crate) fn secure(&mut self, server: &Server) -> io::Result<()> {
        let introduction = server.introduction_of(0);
        let Some(client) = &server.tls else {
            return self.stream.write_all(&introduction);
        };
        self.tls = Some(client.open(&introduction).map_err(io::Error::other)?);
        self.send_sealed()?;
        while self.tls.as_ref().is_some_and(Session::is_handshaking) {
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let Self { stream, tls, plain } = self;
        let mut part = [0; READ_BYTES];
        let read = stream.read(&mut part)?;
        match tls {
            None => plain.extend_from_slice(&part[..read]),
            Some(session) if read == 0 => {
                if session.is_handshaking() {
                    return Err(io::Error::other(session.end_in_words()));
                }
            }
            Some(session) => {
                let taken = session.take(&part[..read], |opened| plain.extend_from_slice(opened));
                self.send_sealed()?;
                taken.map_err(io::Error::other)?;
            }
        }
        Ok(read)
    }

    fn send_sealed(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.tls {
            self.stream.write_all(session.wire.unsent())?;
            session.wire.clear();
        }
        Ok(())
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            if self.fill()? == 0 {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.plain.len());
        buffer[..length].copy_from_slice(&self.plain[..length]);
        self.plain.drain(..length);
        Ok(length)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.tls else {
            return self.stream.write(bytes);
        };
        let mut unsealed = Outbox::default();
        unsealed.bytes().extend_from_slice(bytes);
        session.seal(&mut unsealed).map_err(io::Error::other)?;
        self.send_sealed()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
