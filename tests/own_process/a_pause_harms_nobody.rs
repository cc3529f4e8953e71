//! A server that stood still for longer than its timeouts charges nobody for it: what came in time, although it was not
//! read in time, counts, and so does what was taken of what had been sent. Everybody meets the same one pause.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::crowd::{Ended, Frames, connect_with_little_room, speech, speech_in};
use crate::support::player::APP_ID;
use crate::support::process::{Program, ServerProcess};
use crate::support::wire::{PING, PONG, TEXT, Wire, frame};

const GAME: &str = "tide-pool";
const PAUSE: Duration = Duration::from_secs(6);
const SPEECH_BYTES: usize = 32_000;
const SPEECHES: usize = 60;

/// Every timeout is shorter than the pause; that of the handshake can be no shorter.
fn serve() -> ServerProcess {
    let app = json!([{"app_id": APP_ID, "app_name": "Reef Racer"}]).to_string();
    Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__SECURITY__ENFORCE_APP_ID_ALLOWLIST", "true")
        .variable("SIGNAL_FISH__SECURITY__ALLOWED_APPS", &app)
        .variable("SIGNAL_FISH__WEBSOCKET__SLOW_CONSUMER_TIMEOUT_MS", "4000")
        .variable("SIGNAL_FISH__WEBSOCKET__SERVER_PING_INTERVAL_SECS", "1")
        .variable("SIGNAL_FISH__WEBSOCKET__PONG_TIMEOUT_SECS", "5")
        .variable("SIGNAL_FISH__WEBSOCKET__AUTH_TIMEOUT_SECS", "5")
        .variable("SIGNAL_FISH__WEBSOCKET__IDLE_TIMEOUT_SECS", "5")
        .variable("SIGNAL_FISH__WEBSOCKET__HTTP_HEADER_READ_TIMEOUT_SECS", "5")
        .variable("SIGNAL_FISH__SERVER__PING_TIMEOUT", "5")
        .variable("SIGNAL_FISH__SERVER__RECONNECTION_WINDOW", "5")
        .serve()
}

/// A client that answers pings whenever it is asked to read.
struct Client {
    mouth: std::net::TcpStream,
    ears: Frames,
}

impl Client {
    fn connect(server: &ServerProcess) -> Self {
        Self::over(Wire::upgraded_to(server.address()))
    }

    fn over(wire: Wire) -> Self {
        let (mouth, received) = wire.into_parts();
        let ears = Frames::new(mouth.try_clone().expect("a descriptor"), received);
        Self { mouth, ears }
    }

    fn authenticated(server: &ServerProcess) -> Self {
        let mut client = Self::connect(server);
        client.says(&authenticate(3));
        client.hears("ProtocolInfo").expect("an application that is allowed");
        client
    }

    /// Authenticates and enters a room over a connection that is there.
    fn seated(wire: Wire, version: u8, name: &str) -> (Self, Value) {
        let mut client = Self::over(wire);
        client.says(&authenticate(version));
        client.hears("ProtocolInfo").expect("an application that is allowed");
        let seat = json!({"game_name": GAME, "player_name": name, "room_code": "PAUSE2"});
        client.says(&json!({"type": "JoinRoom", "data": seat}));
        let joined = client.hears("RoomJoined").expect("a seat");
        (client, joined)
    }

    fn says(&mut self, message: &Value) {
        self.sends(&frame(TEXT, message.to_string().as_bytes()));
    }

    /// To whom it was sent shows at the answer.
    fn sends(&mut self, bytes: &[u8]) {
        let _ = self.mouth.write_all(bytes);
    }

    /// The next frame that is not a ping.
    fn next<T>(&mut self, mut take: impl FnMut(&[u8]) -> Option<T>) -> Result<T, Ended> {
        loop {
            let (first, payload) = self.ears.next()?;
            if first == PING {
                let pong = frame(PONG, payload);
                let _ = self.mouth.write_all(&pong);
            } else if let Some(taken) = take(payload) {
                return Ok(taken);
            }
        }
    }

    /// The next message of a kind; what comes before it is passed over.
    fn hears(&mut self, kind: &str) -> Result<Value, Ended> {
        let start = format!(r#"{{"type":"{kind}""#);
        self.next(|payload| {
            let is_this = payload.starts_with(start.as_bytes());
            is_this.then(|| serde_json::from_slice::<Value>(payload).expect("the server sends JSON")["data"].take())
        })
    }

    fn is_answered(&mut self) -> Result<(), Ended> {
        self.says(&json!({"type": "Ping"}));
        self.hears("Pong").map(drop)
    }

    /// Reads all that its own kernel has of the server's, and says so to the server.
    fn drains(&mut self) -> Result<usize, Ended> {
        self.ears.waits(Duration::from_millis(300));
        let mut speeches = 0;
        let ended = self.next(|payload| {
            speeches += usize::from(speech_in(payload, SPEECH_BYTES).is_some());
            None::<()>
        });
        self.ears.waits(crate::support::DEADLINE);
        self.says(&json!({"type": "Ping"}));
        if ended == Err(Ended::Silent) {
            Ok(speeches)
        } else {
            ended.map(|()| 0)
        }
    }
}

fn authenticate(version: u8) -> Value {
    json!({"type": "Authenticate", "data": {"app_id": APP_ID, "protocol_version": version}})
}

#[test]
fn a_pause_longer_than_every_timeout_harms_nobody() {
    let server = serve();
    let (mut speaker, _) = Client::seated(Wire::upgraded_to(server.address()), 2, "Speaker");
    let (mut reader, _) = Client::seated(
        connect_with_little_room(server.address(), 16_384).upgrade("/v2/ws"),
        2,
        "Reader",
    );
    let (leaver, seat) = Client::seated(Wire::upgraded_to(server.address()), 3, "Leaver");
    let [mut returner, mut asked, mut asking, mut silent] = [0; 4].map(|_| Client::authenticated(&server));
    let mut newcomer = Client::connect(&server);
    let mut patient = Wire::connect(server.address());
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    patient.send(&request.as_bytes()[..20]);

    // One has lost its connection, one has a ping to answer, one has more to read than its kernel holds.
    drop(leaver);
    speaker.hears("PlayerLeft").expect("the others are told");
    let ping = loop {
        let (first, payload) = asked.ears.next().expect("a ping");
        if first == PING {
            break payload.to_vec();
        }
    };
    for number in 0..SPEECHES {
        speaker.sends(&speech(0, number, SPEECH_BYTES));
    }
    silent.is_answered().expect("it was heard just now");
    speaker.is_answered().expect("all that it said was served");

    server.freeze();
    let frozen_at = Instant::now();
    asked.sends(&frame(PONG, &ping));
    asking.says(&json!({"type": "Ping"}));
    newcomer.says(&authenticate(2));
    patient.send(&request.as_bytes()[20..]);
    returner.says(&json!({"type": "Reconnect", "data": {
        "player_id": seat["player_id"], "room_id": seat["room_id"], "auth_token": seat["reconnection_token"]}}));
    let mut late = Wire::connect(server.address());
    late.send(request.as_bytes());
    let taken = reader.drains().expect("the server stands still");
    assert!(taken < SPEECHES, "the server has more for it");
    speaker.drains().expect("the server stands still");
    // Time that passes is what this is about.
    thread::sleep(PAUSE.saturating_sub(frozen_at.elapsed()));
    server.thaw();

    let mut faults = Vec::new();
    let mut check = |who: &str, outcome: Result<(), Ended>| {
        if let Err(ended) = outcome {
            faults.push(format!("{who} was {ended}"));
        }
    };
    check("who had sent a Ping", asking.hears("Pong").map(drop));
    check("who had sent a pong", asked.is_answered());
    check("who had nothing to say", silent.is_answered());
    check("who had authenticated", newcomer.hears("Authenticated").map(drop));
    let answer = returner.next(|payload| payload.starts_with(br#"{"type":"Reconn"#).then(|| payload.to_vec()));
    check("who had asked for its seat", answer.clone().map(drop));
    check("who spoke", speaker.is_answered());
    let mut next = taken;
    let rest = (taken..SPEECHES).try_for_each(|_| {
        let (_, number) = reader.next(|payload| speech_in(payload, SPEECH_BYTES))?;
        assert_eq!(number, next, "no hole");
        next += 1;
        Ok(())
    });
    check("who had read all there was", rest.and_then(|()| reader.is_answered()));
    if let Ok(answer) = answer
        && !answer.starts_with(br#"{"type":"Reconnected""#)
    {
        faults.push(format!(
            "who had asked for its seat got {}",
            String::from_utf8_lossy(&answer)
        ));
    }
    for (who, mut wire) in [("whose request was whole", patient), ("who came meanwhile", late)] {
        let answer = String::from_utf8(wire.rest()).expect("answers are text");
        if !answer.starts_with("HTTP/1.1 200 ") {
            faults.push(format!("{who} was answered {answer:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
