//! A socket on which a test decides every byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

use super::DEADLINE;
use super::masked_frame::{MASK, masked_frame};
use super::server::Server;
use super::tls::NAME;

/// What begins a text message that is whole.
pub const TEXT: u8 = 0x81;
/// What begins a binary message that is whole.
pub const BINARY: u8 = 0x82;
/// A close frame.
pub const CLOSE: u8 = 0x88;
/// A ping.
pub const PING: u8 = 0x89;
/// A pong.
pub const PONG: u8 = 0x8a;

/// The fields that make a request an upgrade.
pub const UPGRADE: &str = "GET /v2/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One frame of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte: the final bit and the opcode.
    pub first: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        assert_eq!(self.first, CLOSE, "{self:?}");
        let code = self.payload.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*code))
    }

    /// The payload as text.
    pub fn text(&self) -> &str {
        assert_eq!(self.first, TEXT, "{self:?}");
        std::str::from_utf8(&self.payload).expect("text is UTF-8")
    }
}

/// A connection to the server, with TLS on it or without.
pub struct Wire {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    received: Vec<u8>,
}

impl Wire {
    /// Connects and says nothing.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts"))
    }

    /// The same, from an address of this machine.
    pub fn connect_from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let source = SocketAddr::from((Ipv4Addr::from(source), 0));
        socket.bind(&source.into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("the server listens");
        Self::over(TcpStream::from(socket))
    }

    /// Connects and upgrades.
    pub fn upgraded(server: &Server) -> Self {
        Self::upgraded_to(server.address())
    }

    /// The same, at an address.
    pub fn upgraded_to(address: SocketAddr) -> Self {
        Self::connect(address).upgrade("/v2/ws")
    }

    /// A connection that somebody has made, with options of its own.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout above zero");
        let (tls, received) = (None, Vec::new());
        Self { stream, tls, received }
    }

    /// Makes a TLS handshake, from which on everything is sealed.
    pub fn secure(self, client: &Arc<ClientConfig>) -> Self {
        self.try_secure(client).expect("a handshake")
    }

    /// The same with a server that may refuse.
    ///
    /// # Errors
    ///
    /// What the library says, the server's alert above all.
    pub fn try_secure(mut self, client: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = ClientConnection::new(Arc::clone(client), name).expect("a client");
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)?;
        }
        self.tls = Some(Box::new(tls));
        Ok(self)
    }

    /// The library's end of TLS.
    pub fn tls(&mut self) -> &mut ClientConnection {
        self.tls.as_mut().expect("a handshake was made")
    }

    /// Upgrades at a path.
    pub fn upgrade(self, path: &str) -> Self {
        let mut wire = self;
        wire.send(UPGRADE.replace("/v2/ws", path).as_bytes());
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire
    }

    /// The socket, and what was read from it beyond the last frame.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        assert!(self.tls.is_none(), "what is sealed cannot be taken apart");
        (self.stream, self.received)
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).expect("the server reads");
    }

    /// Sends bytes to a server that may have closed already. Says whether all of them could be sent.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.write(bytes).is_ok()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => {
                let mut stream = rustls::Stream::new(&mut **tls, &mut self.stream);
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Whether the other end has not reset the connection.
    pub fn has_no_error(&self) -> bool {
        matches!(self.stream.take_error(), Ok(None))
    }

    /// Sends a masked frame.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(&frame(first, payload));
    }

    /// Ends our side of the connection.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("connected");
    }

    /// Reads the head of a response, which must come within the deadline.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.received.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a head is text");
            }
            assert!(self.fill(), "the server ended the connection in the head");
        }
    }

    /// Reads so many bytes, which must come within the deadline.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.fill(), "the server ended the connection in a body");
        }
        self.received.drain(..count).collect()
    }

    /// Reads the next frame, which must come within the deadline. The server must not mask.
    pub fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.take_frame() {
                return frame;
            }
            assert!(self.fill(), "a frame was expected and the connection ended");
        }
    }

    /// Reads everything up to the end of the connection, which must come within the deadline.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.received)
    }

    /// Reads up to the alert with which the other end breaks off.
    pub fn alert(&mut self) -> String {
        let tls = self.tls.as_mut().expect("a handshake was made");
        loop {
            let count = tls.read_tls(&mut self.stream).expect("an alert within the deadline");
            if let Err(error) = tls.process_new_packets() {
                return error.to_string();
            }
            assert!(count > 0, "an alert was expected and the connection ended");
        }
    }

    /// The server's next frame must be a close frame with this code, and after it, and our answer, the connection must end.
    pub fn expect_close(&mut self, code: u16) {
        let frame = self.frame();
        assert_eq!(frame.close_code(), Some(code), "{frame:?}");
        self.try_send(&self::frame(CLOSE, &frame.payload));
        let _ = self.stream.shutdown(Shutdown::Write);
        assert_eq!(self.rest(), b"", "nothing follows a close frame");
    }

    /// Sends a `Ping` message and reads its `Pong`: whatever came before has been served.
    pub fn expect_served(&mut self) {
        self.send_frame(TEXT, br#"{"type":"Ping"}"#);
        let answer = self.frame();
        assert_eq!(answer.text(), r#"{"type":"Pong"}"#);
    }

    /// Reads the answer to an upgrade. Whether the connection has a place: else it is told that there are too many.
    pub fn expect_place(&mut self) -> bool {
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.send_frame(TEXT, br#"{"type":"Ping"}"#);
        let answer = self.frame();
        let is_served = answer.text() == r#"{"type":"Pong"}"#;
        assert!(
            is_served || answer.text().contains("TOO_MANY_CONNECTIONS"),
            "{answer:?}"
        );
        is_served
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [first, second, rest @ ..] = &self.received[..] else {
            return None;
        };
        assert!(second & 0x80 == 0, "the server never masks");
        let (length, header_bytes) = match second {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
            short => (usize::from(*short), 2),
        };
        let first = *first;
        if self.received.len() < header_bytes + length {
            return None;
        }
        let payload = self
            .received
            .drain(..header_bytes + length)
            .skip(header_bytes)
            .collect();
        Some(Frame { first, payload })
    }

    /// Reads once. `false`: the connection has ended, in order or by a reset.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => self.stream.read(&mut buffer),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut buffer),
        };
        match read {
            Ok(0) => false,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => panic!("TLS was cut off: {error}"),
            Err(error) => panic!("nothing came within {DEADLINE:?}: {error}"),
        }
    }
}

/// A masked frame as bytes.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_frame(first, payload, MASK)
}
