//! Sends every message back, on the server's own framing and its judgement of upgrades: what a conformance suite finds
//! here, it finds in the relay.
//!
//! One thread for each connection, blocking, up to a number. What a peer does not read holds up its own thread and nothing
//! else. Nothing waits longer than [`PATIENCE`] for a peer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_fish_relay::net::http::{Response, answer_by_the_standard, read_head};
use signal_fish_relay::net::websocket::{Event, Inbound, InboundLimits};
use signal_fish_relay::protocol::{FrameBuffer, Opcode, write_close_payload};
use signal_fish_relay::shard::Flow;

/// The largest message that comes back.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Enough for the largest message in pieces of sixteen bytes.
const MAX_FRAGMENTS: u32 = 1 << 20;

/// The most connections at once; one beyond them is closed as soon as it is there.
pub const MAX_CONNECTIONS: usize = 256;

/// The longest that a peer may be silent, or not read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest that a peer may take for its half of a closing handshake.
const CLOSING: Duration = Duration::from_secs(2);

const READ_BYTES: usize = 64 * 1024;

/// Serves everybody who connects, until the listener fails.
///
/// # Errors
///
/// What the listener said.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    let places = Arc::new(());
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
            Err(error) => return Err(error),
        };
        // Each connection holds one reference beside ours.
        if Arc::strong_count(&places) > MAX_CONNECTIONS {
            continue;
        }
        let place = Arc::clone(&places);
        // A peer that goes away in the middle of something is no news.
        let started = thread::Builder::new().spawn(move || {
            let _ = converse(stream);
            drop(place);
        });
        if let Err(error) = started {
            eprintln!("a connection got no thread: {error}");
        }
    }
}

/// One connection, from its first byte to its last.
fn converse(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut received = Vec::new();
    let response = loop {
        match read_head(&received) {
            Ok(Some((head, head_bytes))) => {
                let response = answer_by_the_standard(&head);
                received.drain(..head_bytes);
                break response;
            }
            Ok(None) => {}
            Err(refusal) => break Err(Response::from(refusal)),
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => received.extend_from_slice(&buffer[..count]),
        }
    };
    match response {
        Ok(upgrade) => {
            stream.write_all(&upgrade.into_bytes())?;
            echo(&mut stream, received)?;
        }
        Err(refusal) => stream.write_all(&refusal.into_bytes())?,
    }
    end(&mut stream)
}

/// Sends back what comes, until one side closes. `received` came right behind the request.
fn echo(stream: &mut TcpStream, mut received: Vec<u8>) -> io::Result<()> {
    let limits = InboundLimits {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_fragments: MAX_FRAGMENTS,
    };
    let mut inbound = Inbound::default();
    let mut frames = FrameBuffer::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let mut answers = Vec::new();
        let mut is_over = false;
        let fed = inbound.feed(&mut received, limits, &mut |event| {
            let (opcode, payload) = match event {
                Event::Text(text) => (Opcode::Text, text.as_bytes()),
                Event::Binary(payload) => (Opcode::Binary, payload),
                Event::Ping(payload) => (Opcode::Pong, payload),
                Event::Pong(_) => return Flow::Continue,
                Event::Close(payload) => {
                    is_over = true;
                    (Opcode::Close, payload)
                }
            };
            answers.push(frames.encode(opcode, |out| out.extend_from_slice(payload)));
            Flow::Continue
        });
        if let Err(violation) = fed {
            is_over = true;
            let code = Some(violation.close_code());
            answers.push(frames.encode(Opcode::Close, |out| write_close_payload(code, out)));
        }
        for answer in &answers {
            stream.write_all(frames.bytes(answer))?;
        }
        frames.clear();
        if is_over {
            return Ok(());
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        received.clear();
        received.extend_from_slice(&buffer[..count]);
    }
}

/// Closes our half, and reads until the peer has closed its own: bytes that nobody has read would reset the connection, and
/// with it what the peer has not read yet.
fn end(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(CLOSING))?;
    let give_up_at = Instant::now() + CLOSING;
    let mut rest = [0; 4096];
    while Instant::now() < give_up_at && stream.read(&mut rest)? > 0 {}
    Ok(())
}
