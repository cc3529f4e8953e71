//! A small Signal Fish relay that makes one chosen mistake.
//!
//! It reads with an independent WebSocket library, so that the generator's own codec is checked by somebody else's.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tungstenite::Message;

/// The mistake; all but `None` happen once, well into the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Drop,
    Duplicate,
    Swap,
    Misroute,
    Corrupt,
    WrongSender,
    Close,
}

const FAULTY_DELIVERY: u64 = 50;

struct Seat {
    id: String,
    room: String,
    stream: TcpStream,
}

#[derive(Default)]
struct Hall {
    seats: Vec<Seat>,
    deliveries: u64,
    /// A delivery that waits to be overtaken: sender, receiver, frame.
    held: Option<(usize, usize, Vec<u8>)>,
}

/// Serves on a free port until the test process ends.
pub(crate) fn start(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    let hall = Arc::new(Mutex::new(Hall::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, hall) = (stream.expect("a connection"), Arc::clone(&hall));
            std::thread::spawn(move || serve(stream, &hall, fault));
        }
    });
    address
}

fn serve(stream: TcpStream, hall: &Mutex<Hall>, fault: Fault) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut socket = tungstenite::accept(stream).expect("a correct upgrade request");
    let mut me = None;
    while let Ok(message) = socket.read() {
        let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            Message::Text(text) => {
                let tree: Value = serde_json::from_str(&text).expect("JSON in a text frame");
                match tree["type"].as_str() {
                    Some("Authenticate") => welcome(&mut writer),
                    Some("JoinRoom") => me = Some(hall.join(&tree["data"], &mut writer)),
                    Some("GameData") => {
                        let me = me.expect("only seated players send game data");
                        let (id, data) = (&hall.seats[me].id, &tree["data"]["data"]);
                        let carried = format!(r#"{{"type":"GameData","data":{{"from_player":"{id}","data":{data}}}}}"#);
                        hall.relay(me, 0x1, carried.into_bytes(), fault);
                    }
                    other => panic!("unexpected message {other:?}"),
                }
            }
            Message::Binary(payload) => {
                let me = me.expect("only seated players send game data");
                let id: Vec<u8> = hall.seats[me].id.replace('-', "").into_bytes();
                let id = id.chunks(2).map(|pair| {
                    u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal digits")
                });
                let mut carried = b"\x83\xabfrom_player\xc4\x10".to_vec();
                carried.extend(id);
                carried.extend_from_slice(b"\xa8encoding\xacmessage_pack\xa7payload\xc4");
                carried.push(u8::try_from(payload.len()).expect("a short payload"));
                carried.extend_from_slice(&payload);
                hall.relay(me, 0x2, carried, fault);
            }
            _ => {}
        }
    }
}

fn welcome(writer: &mut TcpStream) {
    send_text(
        writer,
        &json!({"type": "Authenticated", "data": {"app_name": "default"}}),
    );
    send_text(
        writer,
        &json!({"type": "ProtocolInfo", "data": {"game_data_formats": ["json", "message_pack"]}}),
    );
}

impl Hall {
    fn join(&mut self, request: &Value, writer: &mut TcpStream) -> usize {
        let me = self.seats.len();
        let room = request["room_code"]
            .as_str()
            .map_or_else(|| format!("ROOM{me:02}"), str::to_owned);
        let id = format!("00000000-0000-4000-8000-{me:012x}");
        send_text(
            writer,
            &json!({"type": "RoomJoined", "data": {"room_code": room, "player_id": id}}),
        );
        let stream = writer.try_clone().expect("a third handle");
        let joined = json!({"type": "PlayerJoined", "data": {"player": {"id": id}}});
        for seat in self.seats.iter_mut().filter(|seat| seat.room == room) {
            send_text(&mut seat.stream, &joined);
        }
        self.seats.push(Seat { id, room, stream });
        me
    }

    fn relay(&mut self, from: usize, opcode: u8, carried: Vec<u8>, fault: Fault) {
        let peers: Vec<usize> = (0..self.seats.len())
            .filter(|&to| to != from && self.seats[to].room == self.seats[from].room)
            .collect();
        for to in peers {
            self.deliveries += 1;
            let now = if self.deliveries == FAULTY_DELIVERY {
                fault
            } else {
                Fault::None
            };
            self.deliver(from, to, opcode, carried.clone(), now);
        }
    }

    fn deliver(&mut self, from: usize, mut to: usize, opcode: u8, mut carried: Vec<u8>, fault: Fault) {
        let stranger = (0..self.seats.len()).find(|&seat| self.seats[seat].room != self.seats[from].room);
        match fault {
            Fault::Drop => return,
            Fault::Swap => {
                self.held = Some((from, to, frame(opcode, &carried)));
                return;
            }
            Fault::Misroute => to = stranger.expect("a second room"),
            Fault::Corrupt => {
                let at = carried.len() - 10;
                carried[at] = if carried[at] == b'x' { b'y' } else { b'x' };
            }
            Fault::WrongSender => {
                let right = self.seats[from].id.clone();
                let wrong = &self.seats[stranger.expect("a second room")].id;
                carried = String::from_utf8(carried)
                    .expect("a text message")
                    .replace(&right, wrong)
                    .into_bytes();
            }
            Fault::Close => {
                return self.send(
                    to,
                    &frame(0x8, &[&4002u16.to_be_bytes()[..], b"slow_consumer"].concat()),
                );
            }
            Fault::Duplicate => self.send(to, &frame(opcode, &carried)),
            Fault::None => {}
        }
        self.send(to, &frame(opcode, &carried));
        if let Some((_, _, held)) = self
            .held
            .take_if(|(sender, receiver, _)| (*sender, *receiver) == (from, to))
        {
            self.send(to, &held);
        }
    }

    fn send(&mut self, to: usize, frame: &[u8]) {
        // A generator that has finished closes its sockets while others still send.
        let _ = self.seats[to].stream.write_all(frame);
    }
}

fn send_text(writer: &mut TcpStream, message: &Value) {
    writer
        .write_all(&frame(0x1, message.to_string().as_bytes()))
        .expect("a living connection");
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(long).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
