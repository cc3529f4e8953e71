//! Who floods the server beside the calm rooms, each in a way of its own.

use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::flow::{Switch, drain, pour};
use crate::support::crowd::{Frames, Guest, speech};
use crate::support::wire::{PING, PONG, TEXT, Wire, frame};
use crate::target::be_nice;

/// What one write of a flood has.
const WRITE_BYTES: usize = 64 * 1024;
const GAME: &str = "floods";

/// What a flood is told.
pub struct Field {
    pub address: SocketAddr,
    /// Everybody waits here until the flood can begin.
    pub is_set: Barrier,
    pub switch: Switch,
}

/// What became of a flood.
#[derive(Default)]
pub struct Outcome {
    /// Connections of the flood that the server ended.
    pub ended: usize,
    pub note: String,
}

impl From<usize> for Outcome {
    fn from(ended: usize) -> Self {
        let note = String::new();
        Self { ended, note }
    }
}

pub type Attack = fn(&Field) -> Outcome;

/// All of them, by name.
pub const ATTACKS: [(&str, Attack); 11] = [
    ("nobody", nobody),
    ("pongs before any handshake", |field| alone(field, &frame(PONG, b""))),
    ("pings, answers read", |field| alone(field, &frame(PING, b""))),
    ("`LeaveRoom` without a seat", |field| {
        alone(field, &frame(TEXT, br#"{"type":"LeaveRoom"}"#))
    }),
    ("ready toggles in a lobby of 60", toggles),
    ("tiny game data, alone in a room", |field| in_a_room(field, 1, 1)),
    ("tiny game data, in a room of 16", |field| in_a_room(field, 16, 1)),
    ("gallery of 200 on version 2, 100 leave and return", gallery),
    ("bulk: 32 KB messages to a room of 8", |field| {
        in_a_room(field, 8, 32_000)
    }),
    ("250 connections end at once", ends),
    ("one address opens silent sockets", connects),
];

fn nobody(field: &Field) -> Outcome {
    field.is_set.wait();
    Outcome::default()
}

/// The same message as often as one write holds it.
fn repeated(message: &[u8]) -> Vec<u8> {
    message.repeat((WRITE_BYTES / message.len()).max(1))
}

/// Pours from one, reads what comes to any.
fn flood(field: &Field, source: &TcpStream, message: &[u8], readers: &[TcpStream]) -> Outcome {
    let bytes = repeated(message);
    field.is_set.wait();
    let ended = thread::scope(|scope| {
        let ended = scope.spawn(|| drain(readers, &field.switch));
        pour(source, &bytes, &field.switch);
        ended.join().expect("no panic")
    });
    Outcome::from(ended)
}

/// A connection that has no seat and reads all it is told.
fn alone(field: &Field, message: &[u8]) -> Outcome {
    let (stream, _) = Wire::upgraded_to(field.address).into_parts();
    flood(field, &stream, message, &[stream.try_clone().expect("a descriptor")])
}

/// The sockets of a room full of players.
fn room(address: SocketAddr, code: &str, players: usize) -> Vec<TcpStream> {
    (0..players)
        .map(|number| Guest::enter(address, GAME, code, &format!("P{number}")).mouth)
        .collect()
}

fn in_a_room(field: &Field, players: usize, bytes: usize) -> Outcome {
    let room = room(field.address, "FLOOD2", players);
    let message = match bytes {
        1 => frame(TEXT, br#"{"type":"GameData","data":{"data":1}}"#),
        _ => speech(0, 0, bytes),
    };
    flood(field, &room[0], &message, &room)
}

fn toggles(field: &Field) -> Outcome {
    let room = room(field.address, "LOBBY2", 60);
    let ready = frame(TEXT, br#"{"type":"PlayerReady"}"#);
    for stream in &room[1..] {
        Guest::say(stream, &ready).expect("the server reads");
    }
    flood(field, &room[0], &ready, &room)
}

/// Enters a room as a spectator.
fn watch(wire: &mut Wire, code: &str, name: &str) {
    wire.send_frame(TEXT, &watching(code, name));
}

fn watching(code: &str, name: &str) -> Vec<u8> {
    let data = json!({"game_name": GAME, "spectator_name": name, "room_code": code});
    json!({"type": "JoinAsSpectator", "data": data})
        .to_string()
        .into_bytes()
}

fn gallery(field: &Field) -> Outcome {
    const SPECTATORS: usize = 200;
    let player = Guest::enter(field.address, GAME, "STAGE2", "Player");
    let mut sockets = vec![player.mouth];
    for number in 0..SPECTATORS {
        let mut wire = Wire::upgraded_to(field.address);
        watch(&mut wire, "STAGE2", &format!("S{number}"));
        let (stream, received) = wire.into_parts();
        let mut ears = Frames::new(stream.try_clone().expect("a descriptor"), received);
        ears.wait_for("SpectatorJoined").expect("a place");
        sockets.push(stream);
    }
    let leave = frame(TEXT, br#"{"type":"LeaveSpectator"}"#);
    field.is_set.wait();
    let ended = thread::scope(|scope| {
        let ended = scope.spawn(|| drain(&sockets, &field.switch));
        be_nice(10);
        while !field.switch.is_off() {
            // A tenth of a second each.
            for returns in [false, true] {
                for (number, stream) in sockets[1..].iter().enumerate().step_by(2) {
                    let back = || frame(TEXT, &watching("STAGE2", &format!("S{number}")));
                    let _ = Guest::say(stream, &if returns { back() } else { leave.clone() });
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        ended.join().expect("no panic")
    });
    Outcome::from(ended)
}

/// Players in rooms of five, of whom a whole crowd goes every half second.
fn ends(field: &Field) -> Outcome {
    const AT_ONCE: usize = 250;
    const TIMES: usize = 6;
    let mut crowds: Vec<Vec<_>> = (0..TIMES)
        .map(|crowd| {
            let enter = |number| {
                let code = format!("E{crowd}{:04}", number / 5);
                Guest::enter(field.address, GAME, &code, &format!("P{number}")).mouth
            };
            (0..AT_ONCE).map(enter).collect()
        })
        .collect();
    field.is_set.wait();
    let mut times = 0;
    while !field.switch.is_off()
        && let Some(crowd) = crowds.pop()
    {
        drop(crowd);
        times += 1;
        thread::sleep(Duration::from_millis(500));
    }
    Outcome {
        ended: 0,
        note: format!("{times} times"),
    }
}

/// Sockets that say nothing, as many as can be had and as fast; and what a newcomer from elsewhere waits for an answer.
fn connects(field: &Field) -> Outcome {
    const SOCKETS: usize = 12_000;
    field.is_set.wait();
    thread::scope(|scope| {
        let newcomer = scope.spawn(|| slowest_answer(field));
        be_nice(10);
        let mut silent = Vec::new();
        let began = Instant::now();
        let mut took = Duration::ZERO;
        while !field.switch.is_off() {
            if silent.len() >= SOCKETS {
                thread::sleep(Duration::from_millis(10));
            } else if let Ok(stream) = TcpStream::connect_timeout(&field.address, Duration::from_millis(100)) {
                silent.push(stream);
                took = began.elapsed();
            }
        }
        let slowest = newcomer.join().expect("no panic");
        Outcome {
            ended: 0,
            note: format!(
                "{} sockets in {:.1} s; a newcomer's slowest `/health` {:.2} s",
                silent.len(),
                took.as_secs_f64(),
                slowest.as_secs_f64()
            ),
        }
    })
}

/// Asks again and again from another address; one that is not answered in the end counts with the time it has waited.
fn slowest_answer(field: &Field) -> Duration {
    let mut slowest = Duration::ZERO;
    while !field.switch.is_off() {
        let began = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let elsewhere: SocketAddr = "127.0.0.2:0".parse().expect("an address");
        socket.bind(&elsewhere.into()).expect("all of 127/8 is ours");
        let step = Duration::from_secs(15);
        if socket.connect_timeout(&field.address.into(), step).is_ok() {
            let mut wire = Wire::over(socket.into());
            wire.try_send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
            wire.stream()
                .set_read_timeout(Some(step))
                .expect("a timeout above zero");
            let _ = wire.stream().peek(&mut [0]);
        }
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    slowest
}
