//! Players by the dozen: each is read by a thread of its own, that keeps nothing of what it reads, so that a hundred of them
//! take what a room says as fast as it comes. One who does not read is one who was told not to.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};

use super::DEADLINE;
use super::wire::{CLOSE, TEXT, Wire, frame};

/// How a connection ended for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// By a close frame, with its code.
    Closed(Option<u16>),
    /// Without one: in order or by a reset.
    Cut,
    /// It has not: nothing came for as long as one may wait.
    Silent,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(Some(code)) => write!(f, "closed with {code}"),
            Self::Closed(None) => f.write_str("closed without a code"),
            Self::Cut => f.write_str("cut off"),
            Self::Silent => f.write_str("left waiting"),
        }
    }
}

/// The server's frames, one after the other, lent and never copied.
pub struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
    /// The most that one read takes, and how long it rests after it.
    pace: Option<(usize, Duration)>,
}

impl Frames {
    /// Over a socket, of which `received` was read already.
    pub fn new(stream: TcpStream, received: Vec<u8>) -> Self {
        let filled = received.len();
        let mut buffer = received;
        buffer.resize(filled.max(256 * 1024), 0);
        Self {
            stream,
            buffer,
            taken: 0,
            filled,
            pace: None,
        }
    }

    /// Takes no more than so many bytes at a time and rests so long after each time; `None`: as fast as it can.
    pub fn paces(&mut self, pace: Option<(usize, Duration)>) {
        self.pace = pace;
    }

    /// What was read and not taken.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    /// How long one may wait for more.
    pub fn waits(&self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).expect("a timeout above zero");
    }

    /// The first byte of the next frame and its payload. A close frame is no frame but an end.
    ///
    /// # Errors
    ///
    /// When the connection has ended, or nothing comes.
    pub fn next(&mut self) -> Result<(u8, &[u8]), Ended> {
        let (header_bytes, length) = loop {
            if let Some((header_bytes, length)) = self.whole_frame() {
                break (header_bytes, length);
            }
            self.fill()?;
        };
        let first = self.buffer[self.taken];
        let payload = self.taken + header_bytes..self.taken + header_bytes + length;
        self.taken = payload.end;
        let payload = &self.buffer[payload];
        if first == CLOSE {
            let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
            return Err(Ended::Closed(code));
        }
        Ok((first, payload))
    }

    /// The payload of the next JSON message of a kind; what comes before it is passed over.
    ///
    /// # Errors
    ///
    /// When the connection has ended, or nothing comes.
    pub fn wait_for(&mut self, kind: &str) -> Result<Value, Ended> {
        loop {
            let (first, payload) = self.next()?;
            if first == TEXT && payload.starts_with(format!(r#"{{"type":"{kind}""#).as_bytes()) {
                let mut message: Value = serde_json::from_slice(payload).expect("the server sends JSON");
                return Ok(message["data"].take());
            }
        }
    }

    fn whole_frame(&self) -> Option<(usize, usize)> {
        let bytes = self.unread();
        let second = *bytes.get(1)?;
        assert!(second & 0x80 == 0, "the server never masks");
        let (header_bytes, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?))),
            127 => (10, u64::from_be_bytes(*bytes[2..].first_chunk()?) as usize),
            short => (2, usize::from(short)),
        };
        (bytes.len() >= header_bytes + length).then_some((header_bytes, length))
    }

    fn fill(&mut self) -> Result<(), Ended> {
        // Always room for one whole message of the largest size that a test sends.
        if self.buffer.len() - self.filled < self.buffer.len() / 2 {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
            assert!(
                self.filled < self.buffer.len(),
                "a frame of more than {} bytes",
                self.filled
            );
        }
        loop {
            let free = self.buffer.len() - self.filled;
            let gulp = self.pace.map_or(free, |(bytes, _)| bytes.min(free));
            match self.stream.read(&mut self.buffer[self.filled..][..gulp]) {
                Ok(0) => return Err(Ended::Cut),
                Ok(count) => {
                    self.filled += count;
                    if let Some((_, rest)) = self.pace {
                        thread::sleep(rest);
                    }
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Ended::Silent),
                    _ => return Err(Ended::Cut),
                },
            }
        }
    }
}

/// A client in a room: what it says and what it hears may be of two threads.
pub struct Guest {
    /// Where it speaks.
    pub mouth: TcpStream,
    /// What it hears.
    pub ears: Frames,
    /// Its id in the room.
    pub id: String,
}

impl Guest {
    /// Connects and enters a room, which is made when it is not there. `room` is its code.
    pub fn enter(address: SocketAddr, game: &str, room: &str, name: &str) -> Self {
        Self::enter_over(Wire::upgraded_to(address), game, room, name)
    }

    /// Enters a room over a connection that is there and upgraded.
    pub fn enter_over(mut wire: Wire, game: &str, room: &str, name: &str) -> Self {
        let data = json!({"game_name": game, "player_name": name, "room_code": room, "max_players": 100});
        wire.send_frame(TEXT, json!({"type": "JoinRoom", "data": data}).to_string().as_bytes());
        let (mouth, received) = wire.into_parts();
        let mut ears = Frames::new(mouth.try_clone().expect("a descriptor"), received);
        let joined = ears.wait_for("RoomJoined").expect("a seat");
        let id = joined["player_id"].as_str().expect("an id").to_owned();
        Self { mouth, ears, id }
    }

    /// Says bytes, for as long as the server needs to take them.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub fn say(mut mouth: &TcpStream, bytes: &[u8]) -> Result<(), Ended> {
        mouth.write_all(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ended::Silent,
            _ => Ended::Cut,
        })
    }
}

/// A connection whose kernel holds no more than about so many bytes that were not read.
pub fn connect_with_little_room(address: SocketAddr, bytes: usize) -> Wire {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
    // Before it connects: the window is agreed upon then.
    socket.set_recv_buffer_size(bytes).expect("an option of every socket");
    socket
        .connect_timeout(&address.into(), DEADLINE)
        .expect("the server accepts");
    SockRef::from(&socket)
        .set_nonblocking(false)
        .expect("an option of every socket");
    Wire::over(socket.into())
}

/// JSON game data as a frame. It says who speaks for the how-manieth time, and has `bytes` in all.
pub fn speech(speaker: usize, number: usize, bytes: usize) -> Vec<u8> {
    let text = format!(r#"{{"type":"GameData","data":{{"data":"{speaker:04}{number:06}"#);
    frame(TEXT, format!("{text:x<width$}\"}}}}", width = bytes - 3).as_bytes())
}

/// Who spoke in a frame of the server's, for the how-manieth time, if it is [`speech`] of `bytes`. What it says is checked
/// to its end.
pub fn speech_in(payload: &[u8], bytes: usize) -> Option<(usize, usize)> {
    // {"type":"GameData","data":{"from_player":"…","data":"
    const BEFORE: usize = 27 + 15 + 36 + 10;
    if !payload.starts_with(br#"{"type":"GameData""#) {
        return None;
    }
    let said = payload.get(BEFORE..)?;
    assert_eq!(
        payload[BEFORE - 8..BEFORE],
        *br#""data":""#,
        "the envelope of version 2"
    );
    let (speaker, said) = said.split_at(4);
    let (number, rest) = said.split_at(6);
    let padding = bytes - r#"{"type":"GameData","data":{"data":""#.len() - 10 - 3;
    assert_eq!(rest.len(), padding + 3, "the length of what was said");
    assert!(
        rest[..padding] == FILLER[..padding] && rest.ends_with(b"\"}}"),
        "what was said"
    );
    let number_of = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Some((number_of(speaker), number_of(number)))
}

static FILLER: [u8; 64 * 1024] = [b'x'; 64 * 1024];
