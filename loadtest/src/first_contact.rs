//! The first connection to a server, before the test: does anything answer, does it speak WebSocket, and which release is it?
//!
//! It joins no room and is gone before anything is measured. What is wrong with the address is told here once, in words
//! that say what to do. Everything behind the upgrade is left to the test: a refusal there is told by the members.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::frame::{self, Opcode, Parsed};
use crate::client::handshake;
use crate::client::line::Line;
use crate::scenario::Scenario;
use crate::server::Server;

/// How long a server may take to accept a connection, and again to answer on it.
const PATIENCE: Duration = Duration::from_secs(5);
const MASK: [u8; 4] = [1, 2, 3, 4];

/// Looks for the server; tells its version where it says so itself.
pub(crate) fn meet(scenario: &Scenario) -> Result<Option<String>> {
    let mut line = reach(&scenario.server)?;
    let rest =
        upgrade(&mut line, &scenario.server).with_context(|| format!("first contact with {}", scenario.server.host))?;
    Ok(version(&mut line, &scenario.app_id, rest))
}

/// Connects, so far that WebSocket can be asked for.
pub(crate) fn reach(server: &Server) -> Result<Line> {
    let mut line = connect(server)?;
    line.secure(server)
        .with_context(|| format!("first contact with {}", server.host))?;
    Ok(line)
}

fn connect(server: &Server) -> Result<Line> {
    Line::connect(server, PATIENCE).map_err(|error| {
        let address = server.address.to_string();
        let place = if server.host == address {
            address
        } else {
            format!("{} ({address})", server.host)
        };
        anyhow::Error::from(error).context(format!("nothing answers at {place}: is the server running?"))
    })
}

/// Asks for a WebSocket; returns what came behind the answer.
fn upgrade(stream: &mut (impl Read + Write), server: &Server) -> Result<Vec<u8>> {
    stream.write_all(&handshake::upgrade_request(server))?;
    let mut bytes = Vec::new();
    loop {
        match more(stream, &mut bytes) {
            Ok(0) => bail!(
                "the server ended the connection without an answer: is the port right, does it want TLS (wss://)?"
            ),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => bail!(
                "the server takes connections but has not answered for {} s: is the port right, does it hang?",
                PATIENCE.as_secs()
            ),
            // It has words of its own.
            Err(error) if error.kind() == ErrorKind::Other => return Err(error.into()),
            Err(error) => return Err(error).context("the server broke the connection: is the port right?"),
        }
        if let Some(head) = handshake::upgrade_answer(&bytes)? {
            return Ok(bytes.split_off(head));
        }
    }
}

/// The release that the server calls itself in version 3 of the protocol; nothing when it does not get so far.
fn version(stream: &mut (impl Read + Write), app_id: &str, mut bytes: Vec<u8>) -> Option<String> {
    let hello = json!({"type": "Authenticate", "data": {"app_id": app_id, "protocol_version": 3}});
    let mut out = Vec::new();
    frame::append_masked(&mut out, Opcode::Text, hello.to_string().as_bytes(), MASK);
    stream.write_all(&out).ok()?;
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        match frame::parse(&bytes).ok()? {
            Parsed::Frame {
                opcode,
                payload,
                length,
                ..
            } => {
                let message: Value = match opcode {
                    Opcode::Text => serde_json::from_slice(payload).ok()?,
                    Opcode::Close => return None,
                    _ => Value::Null,
                };
                bytes.drain(..length);
                match message["type"].as_str() {
                    Some("ProtocolInfo") => {
                        break message["data"]["implementation_version"].as_str().map(str::to_owned);
                    }
                    Some("AuthenticationError" | "Error") => break None,
                    _ => {}
                }
            }
            Parsed::Incomplete if Instant::now() > deadline => return None,
            Parsed::Incomplete => {
                more(stream, &mut bytes).ok().filter(|&read| read > 0)?;
            }
        }
    };
    out.clear();
    frame::append_masked(&mut out, Opcode::Close, &1000u16.to_be_bytes(), MASK);
    // The server may have gone first.
    let _ = stream.write_all(&out);
    told
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut part = [0; 4096];
    let read = loop {
        match stream.read(&mut part) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    bytes.extend_from_slice(&part[..read]);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A server that has sent all it will ever send.
    struct Talk {
        from_server: Cursor<Vec<u8>>,
        to_server: Vec<u8>,
    }

    impl Read for Talk {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.from_server.read(buffer)
        }
    }

    impl Write for Talk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.to_server.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn told(messages: &[&str]) -> Option<String> {
        let mut frames = Vec::new();
        for message in messages {
            frames.extend([0x81, u8::try_from(message.len()).expect("a short message")]);
            frames.extend(message.as_bytes());
        }
        let rest = frames.split_off(3);
        let mut talk = Talk {
            from_server: Cursor::new(rest),
            to_server: Vec::new(),
        };
        let told = version(&mut talk, "x", frames);
        assert!(!talk.to_server.is_empty());
        told
    }

    #[test]
    fn the_version_is_taken_from_the_servers_own_words() {
        let info = r#"{"type":"ProtocolInfo","data":{"implementation_version":"0.12.0"}}"#;
        assert_eq!(told(&[r#"{"type":"Authenticated"}"#, info]).as_deref(), Some("0.12.0"));
        for silent in [
            &[r#"{"type":"ProtocolInfo","data":{}}"#][..],
            &[r#"{"type":"AuthenticationError"}"#, info],
            &[r#"{"type":"Authenticated"}"#],
            &["{"],
        ] {
            assert_eq!(told(silent), None, "{silent:?}");
        }
    }
}
