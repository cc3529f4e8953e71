//! A host that pushes a whole level to its room: what it gets rid of in a second, what players feel of it, and who is closed
//! when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::calm::{Company, Waits};
use crate::flow::{Switch, drain};
use crate::support::crowd::{Ended, Guest, connect_with_little_room, speech, speech_in};
use crate::target::Target;

const GAME: &str = "floods";
const ROOM: &str = "LEVEL2";
const MESSAGE_BYTES: usize = 32_000;
/// The rate of those who play.
const RATE: u32 = 60;
/// How long the readers may take when the host has sent everything.
const PATIENCE: Duration = Duration::from_secs(15);
const POOR: &str = "20 kB a second";

/// Shows what happens when a host sends so much.
pub fn run(target: &Target, megabytes: usize, calm_time: Duration) {
    let address = target.address;
    let count = megabytes * 1_000_000 / MESSAGE_BYTES;
    let enter = |name: &str| Guest::enter(address, GAME, ROOM, name);
    let slow = |name: &str, room_bytes, gulp_bytes, rest_ms| {
        let wire = connect_with_little_room(address, room_bytes).upgrade("/v2/ws");
        let mut guest = Guest::enter_over(wire, GAME, ROOM, name);
        guest.ears.paces(Some((gulp_bytes, Duration::from_millis(rest_ms))));
        guest
    };
    let host = enter("Host");
    let (player, watcher) = (enter("Player"), enter("Watcher"));
    let mut readers = BTreeMap::from([
        ("free 1", enter("Free1")),
        ("free 2", enter("Free2")),
        ("free 3", enter("Free3")),
    ]);
    readers.insert("2 MB a second", slow("Steady", 128 * 1024, 20_000, 10));
    readers.insert(POOR, slow("Poor", 8 * 1024, 2_000, 100));
    let deaf = slow("Deaf", 8 * 1024, 1, 0);
    let mut names: BTreeMap<String, &str> = readers.iter().map(|(name, guest)| (guest.id.clone(), *name)).collect();
    names.extend([
        (host.id.clone(), "the host"),
        (player.id.clone(), "the player"),
        (watcher.id.clone(), "who hears the player"),
        (deaf.id.clone(), "not at all"),
    ]);
    let mut room = Company::of([(player, true), (watcher, false)].into_iter());
    let mut others = Company::in_calm_rooms(address);

    let calm_from = Instant::now();
    let is_calm = || calm_from.elapsed() < calm_time;
    thread::scope(|scope| {
        let in_room = scope.spawn(|| room.talk(RATE, is_calm));
        let elsewhere = others.talk(RATE, is_calm);
        show("without bulk", in_room.join().expect("no panic"), elsewhere);
    });

    let level = Level {
        began: Instant::now(),
        messages: count,
        names,
        waiting: AtomicUsize::new(0),
        is_over: Switch::default(),
    };
    let host_socket = [host.mouth];
    thread::scope(|scope| {
        let level = &level;
        let listeners: Vec<_> = readers
            .into_iter()
            .map(|(name, guest)| {
                let matters = name != POOR;
                level.waiting.fetch_add(usize::from(matters), Ordering::Relaxed);
                (name, scope.spawn(move || level.listen(guest, matters)))
            })
            .collect();
        let host_drained = scope.spawn(|| drain(&host_socket, &level.is_over));
        let in_room = scope.spawn(|| room.talk(RATE, || !level.is_over.is_off()));
        let elsewhere = scope.spawn(|| others.talk(RATE, || !level.is_over.is_off()));

        let message = speech(0, 0, MESSAGE_BYTES);
        let sent = (0..count).try_for_each(|_| Guest::say(&host_socket[0], &message));
        let took = level.began.elapsed().as_secs_f64();
        let end = sent.err().map(|ended| format!(", and was {ended}")).unwrap_or_default();
        println!(
            "the host sent {megabytes} MB in {took:.1} s, {:.2} MB a second{end}",
            megabytes as f64 / took
        );
        let sent_at = Instant::now();
        while level.waiting.load(Ordering::Relaxed) > 0 && sent_at.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        level.is_over.turn_off();

        let mut left = BTreeMap::new();
        for (name, listener) in listeners {
            let heard = listener.join().expect("no panic");
            let end = heard.ended.map(|ended| format!(", {ended}")).unwrap_or_default();
            println!(
                "{name}: {} of {count} messages in {:.1} s{end}",
                heard.messages,
                heard.took.as_secs_f64()
            );
            left.extend(heard.left);
        }
        for (name, at) in left {
            println!("{name}: gone for the others after {:.1} s", at.as_secs_f64());
        }
        if host_drained.join().expect("no panic") > 0 {
            println!("the host was closed");
        }
        show(
            "with bulk",
            in_room.join().expect("no panic"),
            elsewhere.join().expect("no panic"),
        );
    });
    drop(deaf);
}

fn show(when: &str, in_room: Waits, elsewhere: Waits) {
    for (place, mut waits) in [("in the same room", in_room), ("in other rooms", elsewhere)] {
        println!(
            "players at {RATE} Hz {place}, {when}: p99 {:.1} ms, worst {:.1} ms, {} never came",
            waits.ms_at(0.99),
            waits.ms_at(1.0),
            waits.missing
        );
    }
}

/// What those who listen to the host know.
struct Level {
    began: Instant,
    messages: usize,
    /// Who is who, by id.
    names: BTreeMap<String, &'static str>,
    /// How many have neither heard everything nor ended.
    waiting: AtomicUsize,
    is_over: Switch,
}

/// What one of them heard.
struct Heard {
    messages: usize,
    /// When it heard the last.
    took: Duration,
    ended: Option<Ended>,
    left: BTreeMap<&'static str, Duration>,
}

impl Level {
    fn listen(&self, mut guest: Guest, matters: bool) -> Heard {
        guest.ears.waits(Duration::from_millis(100));
        let mut heard = Heard {
            messages: 0,
            took: Duration::ZERO,
            ended: None,
            left: BTreeMap::new(),
        };
        while !self.is_over.is_off() {
            match guest.ears.next() {
                Ok((_, payload)) if payload.len() > MESSAGE_BYTES => {
                    speech_in(payload, MESSAGE_BYTES).expect("only the host says so much");
                    heard.messages += 1;
                    heard.took = self.began.elapsed();
                    if heard.messages == self.messages && matters {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Ok((_, payload)) if payload.starts_with(br#"{"type":"PlayerLeft""#) => {
                    let message: Value = serde_json::from_slice(payload).expect("the server sends JSON");
                    let id = message["data"]["player_id"].as_str().unwrap_or_default();
                    let name = self.names.get(id).copied().unwrap_or("somebody");
                    heard.left.insert(name, self.began.elapsed());
                }
                Ok(_) | Err(Ended::Silent) => {}
                Err(ended) => {
                    heard.ended = Some(ended);
                    if heard.messages < self.messages && matters {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                    }
                    break;
                }
            }
        }
        heard
    }
}
