//! A message that takes long to arrive: its bytes are a sign of life, and its time is bounded all the same.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::crowd::{Ended, Frames, Guest, speech, speech_in};
use crate::support::server::Server;
use crate::support::wire::{BINARY, PING, Wire, frame};

const GAME: &str = "tide-pool";
const UPLOAD_BYTES: usize = 60_000;
const STEP_BYTES: usize = 600;
const STEP: Duration = Duration::from_millis(60);

#[test]
fn a_large_message_over_a_slow_line_arrives() {
    let server = Server::with(1, |config| {
        config.websocket.idle_timeout_secs = 2;
        config.websocket.server_ping_interval_secs = 1;
        config.websocket.pong_timeout_secs = 2;
        config.websocket.slow_consumer_timeout_ms = 1_000;
        config.server.ping_timeout = 2;
    });
    let sender = Guest::enter(server.address(), GAME, "UPLOAD", "Sender");
    let mut listener = Guest::enter(server.address(), GAME, "UPLOAD", "Listener");
    let uploads = thread::spawn(move || {
        for bytes in speech(0, 7, UPLOAD_BYTES).chunks(STEP_BYTES) {
            if let Err(ended) = Guest::say(&sender.mouth, bytes) {
                return Err((ended, sender));
            }
            thread::sleep(STEP); // the pace of the line
        }
        Ok(sender)
    });
    // The listener speaks a little, lest it be taken for dead itself.
    listener.ears.waits(Duration::from_millis(500));
    let heard = loop {
        match listener.ears.next() {
            Ok((_, payload)) => {
                if let Some(heard) = speech_in(payload, UPLOAD_BYTES) {
                    break heard;
                }
                assert!(
                    !payload.starts_with(br#"{"type":"PlayerLeft""#),
                    "the sender was closed while its message was on its way"
                );
            }
            Err(Ended::Silent) => {}
            Err(ended) => panic!("the listener was {ended}"),
        }
        Guest::say(&listener.mouth, &frame(PING, b"")).expect("the listener lives");
    };
    assert_eq!(heard, (0, 7));
    let uploaded = uploads.join().expect("it tells faults");
    assert!(uploaded.is_ok(), "the sender lives");
}

/// Sends a step every 200 ms until the server has had enough. Says whether it had within 20 s.
fn is_ended(server: &Server, steps: impl Iterator<Item = Vec<u8>>) -> bool {
    let (mouth, received) = Wire::upgraded(server).into_parts();
    let mut ears = Frames::new(mouth.try_clone().expect("a descriptor"), received);
    ears.waits(Duration::from_millis(200));
    let began = Instant::now();
    for step in steps {
        if Guest::say(&mouth, &step).is_err() {
            return true;
        }
        loop {
            match ears.next() {
                Ok(_) => {} // pongs
                Err(Ended::Silent) => break,
                Err(_) => return true,
            }
        }
        if began.elapsed() > Duration::from_secs(20) {
            return false;
        }
    }
    panic!("there is more to send than 20 s take");
}

#[test]
fn a_trickle_is_no_way_to_live_for_ever() {
    // Nothing else ends anybody here.
    let server = Server::with(1, |config| {
        config.websocket.idle_timeout_secs = 0;
        config.websocket.server_ping_interval_secs = 0;
        config.server.ping_timeout = 0;
    });
    let one_by_one = |bytes: Vec<u8>| bytes.into_iter().map(|byte| vec![byte]);
    let message = one_by_one(frame(BINARY, &[7; 1_000]));
    let control = one_by_one(frame(PING, &[7; 125]));
    // Every step is whole, and the message never is.
    let fragments = (0..200).map(|number| match number {
        0 => frame(BINARY & 0x7f, &[7]),
        _ => [frame(PING, b""), frame(0, &[7])].concat(),
    });
    thread::scope(|scope| {
        let server = &server;
        let trickles = [
            ("a message", scope.spawn(move || is_ended(server, message))),
            (
                "a message in fragments",
                scope.spawn(move || is_ended(server, fragments)),
            ),
            ("a ping", scope.spawn(move || is_ended(server, control))),
        ];
        let endless: Vec<_> = trickles
            .into_iter()
            .filter_map(|(what, trickle)| (!trickle.join().expect("no panic")).then_some(what))
            .collect();
        assert!(endless.is_empty(), "{endless:?} may take for ever");
    });
}
