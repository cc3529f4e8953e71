//! What eight peers who never read cost the server in resident memory.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::flow::{Switch, drain, pour};
use crate::support::crowd::{Frames, speech};
use crate::support::wire::{BINARY, PING, TEXT, Wire, frame};
use crate::target::{Place, Target};

/// How many do not read.
pub const PEERS: usize = 8;
/// What an outbox may hold.
pub const CAP_BYTES: usize = 4 << 20;

/// What they are sent.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Answers to their own pings, before any handshake.
    Pings,
    /// What one other player of their room causes.
    Data {
        frame: fn() -> Vec<u8>,
        version: u8,
        format: &'static str,
    },
}

/// All of them, by name.
pub const KINDS: [(&str, Kind); 7] = [
    ("pings before any handshake", Kind::Pings),
    (
        "tiny frames",
        Kind::Data {
            frame: || frame(TEXT, br#"{"type":"GameData","data":{"data":1}}"#),
            version: 2,
            format: "json",
        },
    ),
    (
        "empty binary",
        Kind::Data {
            frame: || frame(BINARY, b""),
            version: 2,
            format: "message_pack",
        },
    ),
    (
        "gaps of `volatile`, version 3",
        Kind::Data {
            frame: || frame(TEXT, br#"{"type":"GameData","data":{"data":1,"class":"volatile"}}"#),
            version: 3,
            format: "json",
        },
    ),
    (
        "`latest` values of one key, version 3",
        Kind::Data {
            frame: || {
                frame(
                    TEXT,
                    br#"{"type":"GameData","data":{"data":1,"class":"latest","key":7}}"#,
                )
            },
            version: 3,
            format: "json",
        },
    ),
    (
        "news of a lobby",
        Kind::Data {
            frame: || frame(TEXT, br#"{"type":"PlayerReady"}"#),
            version: 2,
            format: "json",
        },
    ),
    (
        "frames of 60 kB",
        Kind::Data {
            frame: || speech(0, 0, 60_000),
            version: 2,
            format: "json",
        },
    ),
];

/// The most that was seen above the start, in bytes.
pub fn most_held(program: &Path, place: Place, kind: Kind, time: Duration) -> u64 {
    let target = Target::start(program, place);
    let switch = Switch::default();
    let (sources, bytes, _silent) = match kind {
        Kind::Pings => {
            let pingers: Vec<_> = (0..PEERS)
                .map(|_| Wire::upgraded_to(target.address).into_parts().0)
                .collect();
            (pingers, frame(PING, b""), Vec::new())
        }
        Kind::Data { frame, version, format } => {
            let enter = |number| member(target.address, number, version, format);
            (vec![enter(PEERS)], frame(), (0..PEERS).map(enter).collect())
        }
    };
    let bytes = bytes.repeat((64 * 1024 / bytes.len()).max(1));
    let before = target.resident_bytes();
    let mut most = before;
    thread::scope(|scope| {
        for source in &sources {
            scope.spawn(|| pour(source, &bytes, &switch));
        }
        if !matches!(kind, Kind::Pings) {
            scope.spawn(|| drain(&sources, &switch));
        }
        let began = Instant::now();
        while began.elapsed() < time {
            most = most.max(target.resident_bytes());
            thread::sleep(Duration::from_millis(5));
        }
        switch.turn_off();
    });
    most - before
}

/// Somebody in the one room.
fn member(address: SocketAddr, number: usize, version: u8, format: &str) -> TcpStream {
    let mut wire = Wire::upgraded_to(address);
    let say = |wire: &mut Wire, message: serde_json::Value| wire.send_frame(TEXT, message.to_string().as_bytes());
    say(
        &mut wire,
        json!({"type": "Authenticate", "data":
            {"app_id": "floods", "protocol_version": version, "game_data_format": format}}),
    );
    let join =
        json!({"game_name": "floods", "player_name": format!("P{number}"), "room_code": "HEAVY2", "max_players": 20});
    say(&mut wire, json!({"type": "JoinRoom", "data": join}));
    let (stream, received) = wire.into_parts();
    let mut ears = Frames::new(stream.try_clone().expect("a descriptor"), received);
    ears.wait_for("RoomJoined").expect("a seat");
    stream
}
