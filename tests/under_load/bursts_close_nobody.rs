//! However much a room says at one moment: whoever reads gets all of it and is not closed, and other rooms get theirs
//! meanwhile. On one shard, on two and on eight.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::crowd::{Ended, Frames, Guest, speech, speech_in};
use crate::support::server::Server;
use crate::support::wire::{TEXT, frame};

const GAME: &str = "tide-pool";
const PAIRS: usize = 4;

/// Every burst has the machine to itself: the readers must be able to read.
static MACHINE: Mutex<()> = Mutex::new(());

/// Runs a burst on servers of each size and tells all that went wrong.
fn on_each_number_of_shards(burst: impl Fn(&Server, &mut Faults)) {
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut faults = Faults::default();
    for shards in [1, 2, 8] {
        faults.shards = shards;
        let server = Server::with(shards, |config| {
            // Readers that write would have to share their sockets with those who speak.
            config.websocket.server_ping_interval_secs = 0;
            config.server.ping_timeout = 0;
        });
        beside_other_rooms(&server, &mut faults, &burst);
    }
    assert!(faults.seen.is_empty(), "{faults}");
}

/// What went wrong, and how often.
#[derive(Default)]
struct Faults {
    shards: usize,
    seen: BTreeMap<(usize, String), usize>,
}

impl Faults {
    fn add(&mut self, fault: impl Display) {
        *self.seen.entry((self.shards, fault.to_string())).or_default() += 1;
    }
}

impl Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.seen
            .iter()
            .try_for_each(|((shards, fault), count)| write!(f, "\n  {shards} shards: {count} × {fault}"))
    }
}

/// Lets pairs in rooms of their own answer each other for as long as the burst lasts: each says a number when it has heard
/// the one before it, so that a message that is lost, repeated or late for ever is seen.
fn beside_other_rooms(server: &Server, faults: &mut Faults, burst: impl Fn(&Server, &mut Faults)) {
    let pairs: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let code = format!("CALM{pair}{pair}");
            ["One", "Other"].map(|name| Guest::enter(server.address(), GAME, &code, name))
        })
        .collect();
    let is_over = AtomicBool::new(false);
    let talks: Vec<_> = thread::scope(|scope| {
        let talks: Vec<_> = pairs
            .into_iter()
            .map(|pair| scope.spawn(|| talk(pair, &is_over)))
            .collect();
        burst(server, faults);
        is_over.store(true, Ordering::Release);
        talks
            .into_iter()
            .map(|talk| talk.join().expect("it tells faults"))
            .collect()
    });
    for talk in talks {
        match talk {
            Ok(said) => assert!(said > 0, "they talk at least once"),
            Err(fault) => faults.add(format!("another room: {fault}")),
        }
    }
}

/// Returns how many messages were said.
fn talk(mut pair: [Guest; 2], is_over: &AtomicBool) -> Result<usize, String> {
    let mut number = 0;
    while !is_over.load(Ordering::Acquire) {
        for speaker in 0..2 {
            let told = |ended: Ended| format!("message {number} of {speaker}: {ended}");
            Guest::say(&pair[speaker].mouth, &speech(speaker, number, 64)).map_err(told)?;
            let heard = next_speech(&mut pair[1 - speaker].ears, 64).map_err(told)?;
            if heard != (speaker, number) {
                return Err(format!("{heard:?} came for {:?}", (speaker, number)));
            }
        }
        number += 1;
    }
    Ok(number)
}

fn next_speech(ears: &mut Frames, bytes: usize) -> Result<(usize, usize), Ended> {
    loop {
        if let Some(heard) = speech_in(ears.next()?.1, bytes) {
            return Ok(heard);
        }
    }
}

/// All members of a room write at the same moment, each with a thread of its own, and each reads with another.
fn everybody_speaks(server: &Server, faults: &mut Faults, players: usize, messages: usize, bytes: usize) {
    let room: Vec<_> = (0..players)
        .map(|number| Guest::enter(server.address(), GAME, "BURST2", &format!("P{number}")))
        .collect();
    let outburst: Vec<Vec<u8>> = (0..players)
        .map(|speaker| {
            (0..messages)
                .flat_map(|number| speech(speaker, number, bytes))
                .collect()
        })
        .collect();
    let mouths: Vec<_> = room
        .iter()
        .map(|guest| guest.mouth.try_clone().expect("a descriptor"))
        .collect();
    let moment = Barrier::new(players);
    thread::scope(|scope| {
        for (mouth, outburst) in mouths.iter().zip(&outburst) {
            scope.spawn(|| {
                moment.wait();
                // Whether it could say everything shows at those who hear it.
                let _ = Guest::say(mouth, outburst);
            });
        }
        everybody_hears(room, faults, |ears, own| hears_all(ears, own, players, messages, bytes));
        // Who still speaks to a server that does not listen is let go.
        mouths.iter().for_each(|mouth| drop(mouth.shutdown(Shutdown::Both)));
    });
}

/// Every member listens until it has heard everything or cannot go on. Once one has missed something nobody waits for long.
fn everybody_hears<F>(room: Vec<Guest>, faults: &mut Faults, listen: F)
where
    F: Fn(&mut Ears, usize) -> Result<(), String> + Sync,
{
    let is_in_vain = AtomicBool::new(false);
    let heard: Vec<_> = thread::scope(|scope| {
        let listeners: Vec<_> = room
            .into_iter()
            .enumerate()
            .map(|(own, guest)| {
                let (listen, is_in_vain) = (&listen, &is_in_vain);
                scope.spawn(move || {
                    let mut ears = Ears {
                        frames: guest.ears,
                        is_in_vain,
                    };
                    let heard = listen(&mut ears, own);
                    is_in_vain.fetch_or(heard.is_err(), Ordering::AcqRel);
                    (heard, guest.mouth, ears.frames)
                })
            })
            .collect();
        // Sockets stay open until everybody has heard everything.
        listeners
            .into_iter()
            .map(|listener| listener.join().expect("it tells faults"))
            .collect()
    });
    let faulty = heard.into_iter().filter_map(|(heard, ..)| heard.err());
    faulty.for_each(|fault| faults.add(fault));
}

/// The ears of somebody in a room where others may miss something.
struct Ears<'a> {
    frames: Frames,
    is_in_vain: &'a AtomicBool,
}

impl Ears<'_> {
    /// The payload of the next frame that `take` takes for something.
    fn next<T>(&mut self, mut take: impl FnMut(&[u8]) -> Option<T>) -> Result<T, String> {
        const SLICE: Duration = Duration::from_millis(500);
        self.frames.waits(SLICE);
        let mut silent_for = Duration::ZERO;
        loop {
            match self.frames.next() {
                Ok((_, payload)) => {
                    silent_for = Duration::ZERO;
                    if let Some(taken) = take(payload) {
                        return Ok(taken);
                    }
                }
                Err(Ended::Silent) if silent_for < DEADLINE && !self.is_in_vain.load(Ordering::Acquire) => {
                    silent_for += SLICE;
                }
                Err(ended) => return Err(ended.to_string()),
            }
        }
    }
}

/// Every message of every other one, each speaker's in its order.
fn hears_all(ears: &mut Ears, own: usize, players: usize, messages: usize, bytes: usize) -> Result<(), String> {
    let mut next = vec![0; players];
    let mut missing = (players - 1) * messages;
    while missing > 0 {
        let (speaker, number) = ears.next(|payload| speech_in(payload, bytes))?;
        assert_ne!(speaker, own, "nobody hears itself");
        if number != next[speaker] {
            return Err(format!("a hole before {number} of {speaker}"));
        }
        next[speaker] += 1;
        missing -= 1;
    }
    Ok(())
}

#[test]
fn a_hundred_that_say_50_kb_at_once_all_hear_each_other() {
    on_each_number_of_shards(|server, faults| everybody_speaks(server, faults, 100, 1, 50_000));
}

#[test]
fn eighty_that_say_500_small_messages_at_once_all_hear_each_other() {
    on_each_number_of_shards(|server, faults| everybody_speaks(server, faults, 80, 500, 64));
}

#[test]
fn a_lobby_gets_all_news_of_one_who_changes_its_mind_2340_times() {
    const PLAYERS: usize = 60;
    const CHANGES: usize = 2_340;
    on_each_number_of_shards(|server, faults| {
        let mut lobby: Vec<_> = (0..PLAYERS)
            .map(|number| Guest::enter(server.address(), GAME, "LOBBY2", &format!("P{number}")))
            .collect();
        let ready = frame(TEXT, br#"{"type":"PlayerReady"}"#);
        for guest in &lobby[1..] {
            Guest::say(&guest.mouth, &ready).expect("the server reads");
        }
        for guest in &mut lobby {
            let ready = |news: &Value| news["ready_players"].as_array().map_or(0, Vec::len);
            while ready(&guest.ears.wait_for("LobbyStateChanged").expect("news")) < PLAYERS - 1 {}
        }
        let undecided = lobby[0].mouth.try_clone().expect("a descriptor");
        thread::scope(|scope| {
            scope.spawn(|| Guest::say(&undecided, &ready.repeat(CHANGES)));
            everybody_hears(lobby, faults, |ears, _| hears_changes(ears, CHANGES));
        });
    });
}

fn is_lobby_news(payload: &[u8]) -> bool {
    payload.starts_with(br#"{"type":"LobbyStateChanged""#)
}

/// News of who is ready, of which every other one is the same.
fn hears_changes(ears: &mut Ears, changes: usize) -> Result<(), String> {
    let mut last_two = [Vec::new(), Vec::new()];
    for heard in 0..changes {
        let news = ears.next(|payload| is_lobby_news(payload).then(|| payload.to_owned()))?;
        let of_its_kind = &mut last_two[heard % 2];
        if of_its_kind.is_empty() {
            *of_its_kind = news;
        } else if *of_its_kind != news {
            return Err(format!("news {heard} is not that of two before"));
        }
    }
    if last_two[0] == last_two[1] {
        return Err("news without a change".to_owned());
    }
    Ok(())
}
