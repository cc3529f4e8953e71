//! A host that pushes a whole level as fast as it can is slowed to what its listeners take: whoever reads gets every byte, in
//! order, and keeps its connection; who reads next to nothing is closed and holds up nobody; and who says little is heard
//! as always.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::crowd::{Ended, Guest, connect_with_little_room, speech, speech_in};
use crate::support::server::Server;

const GAME: &str = "tide-pool";
const ROOM: &str = "LEVEL2";
const BULK_BYTES: usize = 32_000;
const BULK_MESSAGES: usize = 256;
const CHAT_BYTES: usize = 64;
/// The number of the last thing that somebody says who talks for as long as the bulk takes.
const GOODBYE: usize = 999_999;
const HOST: usize = 0;
const PLAYER: usize = 1;

/// What somebody has heard when it stops listening.
#[derive(Default, Debug)]
struct Heard {
    /// How many messages of each.
    by_speaker: BTreeMap<usize, usize>,
    /// Of whom the last word was heard.
    goodbyes: usize,
    ended: Option<Ended>,
}

#[test]
fn a_level_of_8_mb_reaches_everybody_who_reads() {
    let server = Server::with(2, |config| {
        config.runtime.outbox_max_bytes = Some(1 << 20);
        // Listeners that answered would have to share their sockets with those who speak.
        config.websocket.server_ping_interval_secs = 0;
        config.server.ping_timeout = 0;
    });
    let address = server.address();
    let host = Guest::enter(address, GAME, ROOM, "Host");
    let player = Guest::enter(address, GAME, ROOM, "Player");
    let free: Vec<_> = (0..5)
        .map(|n| Guest::enter(address, GAME, ROOM, &format!("Free{n}")))
        .collect();
    let at_2_mb = with_little_room(address, 128 * 1024, "Steady", Some((20_000, Duration::from_millis(10))));
    let at_20_kb = with_little_room(address, 8 * 1024, "Poor", Some((2_000, Duration::from_millis(100))));
    let at_none = with_little_room(address, 8 * 1024, "Deaf", None);
    let others = ["One", "Other"].map(|name| Guest::enter(address, GAME, "CALM22", name));

    let is_sent = AtomicBool::new(false); // the host has said everything
    let bulk: Vec<_> = (0..BULK_MESSAGES)
        .map(|number| speech(HOST, number, BULK_BYTES))
        .collect();
    let mouths = [&host, &player, &others[0], &others[1]].map(|guest| guest.mouth.try_clone().expect("a descriptor"));
    let [host_speaks, player_speaks, one_speaks, other_speaks] = &mouths;
    let mut faults = Vec::new();
    thread::scope(|scope| {
        let is_sent = &is_sent;
        let mut listeners = Vec::new();
        let mut listen = |who: &str, guest: Guest, expected: &[usize]| {
            let expected = expected.to_vec();
            let listener = scope.spawn({
                let expected = expected.clone();
                move || listen(guest, &expected, is_sent)
            });
            listeners.push((who.to_owned(), expected, listener));
        };
        listen("the host", host, &[PLAYER]);
        listen("the player", player, &[HOST]);
        for (number, guest) in free.into_iter().enumerate() {
            listen(&format!("free reader {number}"), guest, &[HOST, PLAYER]);
        }
        listen("the reader of 2 MB a second", at_2_mb, &[HOST, PLAYER]);
        let [one, other] = others;
        listen("one of another room", one, &[3]);
        listen("the other of another room", other, &[2]);
        let poor = scope.spawn(|| end_of(at_20_kb, is_sent));

        let talks = [(PLAYER, player_speaks), (2, one_speaks), (3, other_speaks)]
            .map(|(speaker, mouth)| scope.spawn(move || talk(speaker, mouth, is_sent)));
        let began = Instant::now();
        let sent = bulk.iter().try_for_each(|message| Guest::say(host_speaks, message));
        println!("the host took {:.1} s", began.elapsed().as_secs_f64());
        is_sent.store(true, Ordering::Release);
        if let Err(ended) = sent {
            faults.push(format!("the host was {ended} while it spoke"));
        }
        let said = talks.map(|talk| talk.join().expect("no panic"));
        let said = BTreeMap::from([(HOST, BULK_MESSAGES), (PLAYER, said[0]), (2, said[1]), (3, said[2])]);
        for (who, expected, listener) in listeners {
            let heard = listener.join().expect("no panic");
            let owed: BTreeMap<_, _> = expected.iter().map(|speaker| (*speaker, said[speaker])).collect();
            if heard.ended.is_some() || heard.by_speaker != owed {
                faults.push(format!("{who} got {heard:?} of {owed:?}"));
            }
        }
        let poor = poor.join().expect("no panic");
        for (who, end) in [
            ("the reader of 20 kB a second", poor),
            ("the deaf one", end_of(at_none, is_sent)),
        ] {
            match end {
                (Ended::Closed(Some(4002)) | Ended::Cut, heard) if heard < BULK_MESSAGES => {}
                (ended, heard) => faults.push(format!("{who} was {ended} after {heard} messages")),
            }
        }
    });
    assert!(faults.is_empty(), "{faults:#?}");
}

fn with_little_room(address: SocketAddr, bytes: usize, name: &str, pace: Option<(usize, Duration)>) -> Guest {
    let wire = connect_with_little_room(address, bytes).upgrade("/v2/ws");
    let mut guest = Guest::enter_over(wire, GAME, ROOM, name);
    guest.ears.paces(pace);
    guest
}

/// Says something 60 times a second until the bulk has been sent. Returns how much was said.
fn talk(speaker: usize, mouth: &TcpStream, is_sent: &AtomicBool) -> usize {
    let mut said = 0;
    while !is_sent.load(Ordering::Acquire) {
        if Guest::say(mouth, &speech(speaker, said, CHAT_BYTES)).is_err() {
            return said;
        }
        said += 1;
        thread::sleep(Duration::from_micros(16_667));
    }
    let _ = Guest::say(mouth, &speech(speaker, GOODBYE, CHAT_BYTES));
    said
}

/// Who says what in a message, if it is game data.
fn stamp(payload: &[u8]) -> Option<(usize, usize)> {
    let bytes = if payload.len() < 1_000 { CHAT_BYTES } else { BULK_BYTES };
    speech_in(payload, bytes)
}

/// Listens until everything was heard of those who speak here, each in order. The socket stays open until then.
fn listen(mut guest: Guest, expected: &[usize], is_sent: &AtomicBool) -> Heard {
    const SLICE: Duration = Duration::from_millis(500);
    guest.ears.waits(SLICE);
    let mut heard = Heard::default();
    let talkers = expected.iter().filter(|speaker| **speaker != HOST).count();
    let mut silent_for = Duration::ZERO;
    loop {
        let has_level = !expected.contains(&HOST) || heard.by_speaker.get(&HOST) == Some(&BULK_MESSAGES);
        if has_level && heard.goodbyes == talkers {
            return heard;
        }
        match guest.ears.next() {
            Ok((_, payload)) => {
                silent_for = Duration::ZERO;
                match stamp(payload) {
                    None => {}
                    Some((_, GOODBYE)) => heard.goodbyes += 1,
                    Some((speaker, number)) => {
                        let next = heard.by_speaker.entry(speaker).or_default();
                        assert_eq!(number, *next, "the next of {speaker}");
                        *next += 1;
                    }
                }
            }
            Err(Ended::Silent) if silent_for < crate::support::DEADLINE / 3 || !is_sent.load(Ordering::Acquire) => {
                silent_for += SLICE;
            }
            Err(ended) => {
                heard.ended = Some(ended);
                return heard;
            }
        }
    }
}

/// How it ended for somebody who reads too little, and how many messages of the host's it got before that, none left out.
/// When the host has said everything it reads as fast as it can.
fn end_of(mut guest: Guest, is_sent: &AtomicBool) -> (Ended, usize) {
    let mut heard = 0;
    loop {
        if is_sent.load(Ordering::Acquire) {
            guest.ears.paces(None);
        }
        match guest.ears.next() {
            Ok((_, payload)) => {
                if let Some((HOST, number)) = stamp(payload) {
                    assert_eq!(number, heard, "what it got is without a hole");
                    heard += 1;
                }
            }
            Err(ended) => return (ended, heard),
        }
    }
}
