//! Whatever clients ask for, in whatever order: nothing breaks, every request is answered once, everybody's picture of its
//! room is right, and in the end nothing is left.
//!
//! Actors of both versions and both encodings send every message and every room operation, valid and almost valid, while
//! they stop reading, lose connections, come back, are removed, and the server drains. Each has an [`Observer`] that
//! believes only what the protocol promises.

mod actor;
mod doorkeeper;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::json;
use signal_fish_relay::protocol::{PlayerId, Topology};
use signal_fish_relay::shard::{CounterSet, InboxLimits, ShardId};

use self::actor::{Actor, Gossip};
use self::doorkeeper::Doorkeeper;
use crate::harness::{Game, Schedule, Setup};
use crate::observer::{Observer, RoomView};
use crate::weather::{CALM, Weather};

const ACTORS: usize = 12;
const STEPS: usize = 300;
const RETURN_WINDOW_MS: u64 = 20_000;

const FULL_SOON: InboxLimits = InboxLimits { bulk: 1, reserve: 1 };

/// How a run differs from another.
#[derive(Debug, Clone, Copy)]
struct Course {
    weather: Weather,
    topology: Topology,
    drains: bool,
    /// Whether the game's backend is asked.
    checks: bool,
}

const CALM_COURSE: Course = Course {
    weather: Weather {
        droppable_frames: 16,
        ..CALM
    },
    topology: Topology::Mesh,
    drains: false,
    checks: false,
};

impl Course {
    fn with(mut self, change: impl FnOnce(&mut Weather)) -> Self {
        change(&mut self.weather);
        self
    }
}

/// What happened in some runs.
#[derive(Debug, Default)]
struct Tally {
    tags: BTreeMap<String, u64>,
    codes: BTreeMap<String, u64>,
    closes: BTreeMap<u16, u64>,
    /// Answers of the game's backend in time, too late, and requests that were served without one.
    answered: [u64; 3],
}

impl Tally {
    fn take(&mut self, observer: &Observer) {
        for (tag, count) in &observer.tags {
            *self.tags.entry(tag.clone()).or_default() += count;
        }
        for (code, count) in &observer.codes {
            *self.codes.entry(code.clone()).or_default() += count;
        }
        if let Some(Some(code)) = observer.closed {
            *self.closes.entry(code).or_default() += 1;
        }
    }

    fn has(&self, tags: &[&str]) -> bool {
        tags.iter().all(|tag| self.tags.contains_key(*tag))
    }
}

fn setup(seed: u64, course: Course) -> Setup {
    course.weather.setup(seed).with(|settings| {
        settings.budgets.room_creations = 10_000;
        settings.budgets.error_replies = if seed.is_multiple_of(3) { 40 } else { 10_000 };
        settings.delivery.stats_interval_ms = seed.is_multiple_of(2).then_some(5_000);
        settings.reconnection.window_ms = RETURN_WINDOW_MS;
        settings.reconnection.event_limit = [0, 3, 100][seed as usize % 3];
        settings.rooms.empty_timeout_ms = 30_000;
        settings.rooms.default_spectators = Some(4);
        settings.peer_sessions.topology = course.topology;
        settings.peer_sessions.allows_webrtc = !seed.is_multiple_of(5);
        settings.peer_sessions.allows_direct = true;
        settings.access.check = course.checks.then(|| doorkeeper::rules(fails_open(seed)));
    })
}

fn fails_open(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

fn run(seed: u64, course: Course, tally: &mut Tally) {
    let game = Game::new(setup(seed, course));
    let mut random = Schedule::new(seed ^ 0xa11);
    let mut gossip = Gossip::default();
    gossip.doorkeeper = course.checks.then(|| Doorkeeper::new(fails_open(seed)));
    let mut actors: Vec<_> = (0..ACTORS)
        .map(|number| Actor::connect(&game, number, seed.is_multiple_of(2), &mut random))
        .collect();
    for step in 0..STEPS {
        let chosen = random.below(actors.len());
        let actor = &mut actors[chosen];
        if actor.client.is_connected() {
            actor.act(&game, &mut gossip, &mut random);
        } else if random.once_in(2) {
            tally.take(&actor.observer);
            actor.succeed(&game, &mut gossip, &mut random);
        }
        for _ in 0..random.below(40) {
            game.machine().step();
        }
        if let Some(doorkeeper) = &mut gossip.doorkeeper {
            doorkeeper.work(&game, &mut random);
        }
        let has_outposts = course.weather.outpost_members.is_some();
        for actor in &mut actors {
            actor.observer.has_outposts = has_outposts;
            actor.read(&mut gossip);
        }
        if random.once_in(20) {
            game.advance_ms(random.below(8_000) as u64);
        }
        if course.drains && step == STEPS * 3 / 4 {
            game.machine().drain(60_000);
        }
    }
    // Whoever is still here reads to the end.
    for actor in &actors {
        actor.client.reads(true);
    }
    game.settle();
    actors.iter_mut().for_each(|actor| actor.read(&mut gossip));
    // In some runs the server stops while somebody still waits for the backend.
    let stops_meanwhile = course.checks && course.drains && seed.is_multiple_of(3);
    if let Some(doorkeeper) = gossip.doorkeeper.as_mut().filter(|_| !stops_meanwhile) {
        doorkeeper.finish(&game, &mut random);
    }
    actors.iter_mut().for_each(|actor| actor.read(&mut gossip));
    if !stops_meanwhile {
        agree(&actors);
    }

    if course.drains {
        game.machine().dismiss_within(5_000);
        game.advance_ms(5_000);
        actors.iter_mut().for_each(|actor| actor.read(&mut gossip));
    }
    for actor in &mut actors {
        actor.client.vanishes();
        tally.take(&actor.observer);
    }
    game.advance_ms(RETURN_WINDOW_MS + 300_000);
    nothing_is_left(&game, &gossip);
    if let Some(doorkeeper) = &gossip.doorkeeper {
        let unchecked = unchecked(&game);
        assert!(unchecked == 0 || fails_open(seed));
        for (sum, more) in tally
            .answered
            .iter_mut()
            .zip([doorkeeper.in_time, doorkeeper.too_late, unchecked])
        {
            *sum += more;
        }
    }
}

/// How many requests were served although the game's backend had said nothing. What became of each question was counted once,
/// unless whoever asked was gone by then.
fn unchecked(game: &Game) -> u64 {
    let of = |outcome: &str| game.count(&format!("access_check_{outcome}_total"));
    let silences = of("late") + of("unreachable") + of("unreadable");
    let ours = of("unattended") + game.count("access_check/full");
    assert!(of("allowed") + of("denied") + silences + ours <= of("questions"));
    assert!(of("failed_open") == 0 || of("failed_open") == silences);
    of("failed_open")
}

/// Everybody who is in a room has the same picture of it, and nobody waits for an answer.
fn agree(actors: &[Actor]) {
    let mut rooms: BTreeMap<String, RoomView> = BTreeMap::new();
    let (knowing, others): (Vec<_>, Vec<_>) = actors.iter().partition(|actor| actor.observer.hears_everything());
    for actor in knowing.into_iter().chain(others) {
        if !actor.client.is_connected() || actor.observer.closed.is_some() {
            continue;
        }
        actor.observer.settle();
        if let Some(room) = actor.observer.room() {
            let mut room = room.clone();
            let known = rooms.entry(room.id.clone());
            if !actor.observer.hears_everything() {
                let Entry::Occupied(known) = &known else { continue };
                room.spectators.clone_from(&known.get().spectators);
            }
            let known = known.or_insert_with(|| room.clone());
            assert_eq!(*known, room, "actor{} knows another room", actor.number);
        }
    }
}

fn nothing_is_left(game: &Game, gossip: &Gossip) {
    let machine = game.machine();
    assert_eq!(machine.connections(), 0, "nobody is left behind");
    assert_eq!(machine.rooms(), 0, "no room outlives its players");
    let admitted = machine.world.ledger.admitted();
    assert_eq!((admitted.connections, admitted.rooms), (0, 0));
    for shard in 0..machine.world.shards() {
        assert_eq!(machine.world.load(ShardId(shard)), 0, "a seat stayed counted");
    }
    for player in &gossip.players {
        let id: PlayerId = serde_json::from_value(json!(player)).expect("an id");
        assert!(!machine.world.presence.is_live(id), "{player} stayed present");
    }
    for class in 0..3 {
        let sum = |of: fn(&CounterSet, usize) -> u64| -> u64 {
            let shards = (0..machine.world.shards()).map(ShardId);
            shards.map(|shard| of(machine.world.counters(shard), class)).sum()
        };
        let attempted = sum(|counters, class| counters.game_data[class].attempted.get());
        let ended = sum(|counters, class| {
            let of_class = &counters.game_data[class];
            let spared = match class {
                0 => counters.undeliverable.get(),
                1 => counters.latest_superseded.get() + counters.latest_dropped.get(),
                _ => counters.volatile_dropped.get(),
            };
            of_class.delivered.get() + of_class.abandoned.get() + spared
        });
        assert_eq!(attempted, ended, "class {class}: each delivery ends in one way");
    }
    drop(machine);
    assert_eq!(game.count("players_joined_total"), game.count("players_left_total"));
    assert_eq!(
        game.count("hops_sent_total"),
        game.count("hops_received_total") + game.count("hops/inbox_full"),
        "every transfer arrived or came back"
    );
}

fn on(course: Course, seeds: std::ops::Range<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        run(seed, course, &mut tally);
    }
    let always = [
        "RoomJoined",
        "RoomJoinFailed",
        "RoomLeft",
        "PlayerJoined",
        "PlayerLeft",
        "GameData",
        "GameStarting",
        "SessionPlan",
        "AuthorityChanged",
        "AuthorityResponse",
        "SpectatorJoined",
        "SpectatorLeft",
        "Error",
        "NewSpectatorJoined",
        "SpectatorDisconnected",
        "result RoomJoined",
        "result OperationFailed",
        "result RoomLeft",
        "result SpectatorJoined",
        "result AuthorityTransferred",
        "result PlayerKicked",
        "Signal",
    ];
    assert!(tally.has(&always), "the runs say little: {tally:?}");
    tally
}

#[test]
fn in_calm_weather() {
    let tally = on(CALM_COURSE, 0..30);
    let rare = [
        "Reconnected",
        "PlayerReconnected",
        "PeerTransportStatus",
        "result PlayerBanned",
    ];
    assert!(tally.has(&rare), "{tally:?}");
}

#[test]
fn with_one_shard_and_hosts() {
    let course = Course {
        topology: Topology::Host,
        ..CALM_COURSE
    };
    let tally = on(course.with(|weather| weather.shards = 1), 100..150);
    assert!(!tally.closes.contains_key(&4002), "nobody is slow here: {tally:?}");
}

#[test]
fn with_narrow_pipes() {
    let course = CALM_COURSE.with(|weather| weather.pipe_bytes = 300);
    let tally = on(course, 200..260);
    assert!(tally.closes.contains_key(&4002), "{tally:?}");
}

#[test]
fn with_small_outboxes() {
    let course = Course {
        topology: Topology::Host,
        ..CALM_COURSE
    };
    let course = course.with(|weather| {
        weather.pipe_bytes = 400;
        weather.outbox_bytes = 4_000;
    });
    let tally = on(course, 300..360);
    assert!(tally.closes.contains_key(&4002), "{tally:?}");
}

#[test]
fn with_full_inboxes() {
    let course = CALM_COURSE.with(|weather| {
        weather.shards = 8;
        weather.inbox = FULL_SOON;
        weather.pipe_bytes = 1_000;
    });
    let tally = on(course, 400..460);
    assert!(tally.codes.contains_key("SERVICE_UNAVAILABLE"), "{tally:?}");
}

#[test]
fn while_the_server_drains() {
    let course = Course {
        drains: true,
        ..CALM_COURSE
    };
    let tally = on(course.with(|weather| weather.pipe_bytes = 2_000), 500..560);
    assert!(
        tally.has(&["GoingAway"]) && tally.codes.contains_key("SERVER_DRAINING"),
        "{tally:?}"
    );
}

#[test]
fn with_tls_and_narrow_pipes() {
    let course = CALM_COURSE.with(|weather| {
        weather.speaks_tls = true;
        weather.pipe_bytes = 300;
    });
    let tally = on(course, 800..840);
    assert!(tally.closes.contains_key(&4002), "{tally:?}");
}

#[test]
fn with_tls_and_full_inboxes_while_the_server_drains() {
    let course = Course {
        drains: true,
        ..CALM_COURSE
    };
    let course = course.with(|weather| {
        weather.speaks_tls = true;
        weather.shards = 8;
        weather.inbox = FULL_SOON;
        weather.pipe_bytes = 2_000;
    });
    let tally = on(course, 850..880);
    assert!(tally.has(&["GoingAway"]), "{tally:?}");
}

#[test]
fn with_outposts() {
    let course = CALM_COURSE.with(|weather| {
        weather.outpost_members = Some(1);
        weather.pipe_bytes = 2_000;
    });
    on(course, 600..700);
}

#[test]
fn with_outposts_and_full_inboxes_while_the_server_drains() {
    let course = Course {
        drains: true,
        ..CALM_COURSE
    };
    let course = course.with(|weather| {
        weather.shards = 4;
        weather.inbox = FULL_SOON;
        weather.outpost_members = Some(1);
    });
    let tally = on(course, 700..780);
    assert!(tally.codes.contains_key("SERVICE_UNAVAILABLE"), "{tally:?}");
}

#[test]
fn with_a_backend_that_answers_as_it_likes() {
    let course = Course {
        checks: true,
        ..CALM_COURSE
    };
    let tally = on(course.with(|weather| weather.pipe_bytes = 2_000), 900..960);
    assert!(tally.answered.iter().all(|count| *count > 0), "{tally:?}");
    let codes = ["UNAUTHORIZED", "SERVICE_UNAVAILABLE", "INVALID_MAX_PLAYERS"];
    assert!(codes.iter().all(|code| tally.codes.contains_key(*code)), "{tally:?}");
}

#[test]
fn with_such_a_backend_and_full_inboxes_while_the_server_drains() {
    let course = Course {
        checks: true,
        drains: true,
        ..CALM_COURSE
    };
    let course = course.with(|weather| {
        weather.shards = 8;
        weather.inbox = FULL_SOON;
        weather.speaks_tls = true;
    });
    let tally = on(course, 1_000..1_060);
    assert!(
        tally.has(&["GoingAway"]) && tally.answered.iter().all(|count| *count > 0),
        "{tally:?}"
    );
}
