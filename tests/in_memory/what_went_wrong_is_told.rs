//! When somebody in a room is closed for what went wrong, the log tells what was decided there before, once a second at most.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use crate::harness::{Client, Frame, Game, Setup};

const MESSAGE: &str = "the last decisions in a room in which something went wrong";

/// The fields of a line.
#[derive(Default)]
struct Line(BTreeMap<&'static str, String>);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps the lines that tell of last decisions.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Line>>>);

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.0["message"] == MESSAGE {
            self.0.lock().expect("nobody panics with it").push(line);
        }
    }
}

impl Told {
    /// Code, number of those that were not told before, and the story, of each line.
    fn lines(&self) -> Vec<(String, String, String)> {
        let lines = self.0.lock().expect("nobody panics with it");
        let field = |line: &Line, name: &str| line.0[name].clone();
        let all = lines.iter();
        all.map(|line| (field(line, "code"), field(line, "unsaid"), field(line, "decisions")))
            .collect()
    }
}

fn in_room(game: &Game, name: &str, room: &str) -> Client {
    let client = game.connect(name);
    client.asks_to_join(json!({"game_name": "reef", "player_name": name, "room_code": room, "max_players": 4}));
    game.settle();
    client.takes_what_arrived();
    client
}

/// Breaks the protocol with a frame that is not masked, and is closed.
fn breaks_it(game: &Game, client: &Client) {
    client.sends_bytes(&[0x81, 2, b'{', b'}']);
    game.settle();
    let arrived = client.takes_what_arrived();
    assert!(
        arrived.iter().any(|frame| matches!(frame, Frame::Close(Some(1002), _))),
        "{arrived:?}"
    );
}

fn one_shard() -> Game {
    let mut setup = Setup {
        shards: 1,
        ..Setup::default().with(|settings| settings.outbox.stall_timeout_ms = 5_000)
    };
    setup.settings.rooms.is_recorded = true;
    Game::new(setup)
}

#[test]
fn who_is_too_slow_is_told_once_a_second_with_how_many_were_not() {
    let told = Told::default();
    tracing::subscriber::with_default(Registry::default().with(told.clone()), || {
        let game = one_shard();
        let readers: Vec<_> = ["ROOM22", "ROOM33", "ROOM44"]
            .map(|room| in_room(&game, "Reader", room))
            .into();
        let violator = in_room(&game, "Violator", "ROOM55");
        for reader in &readers {
            reader.reads(false).has_pipe_of(0);
            reader.says("Ping");
        }
        for _ in 0..10 {
            violator.says("Ping");
            game.advance_ms(1_000);
        }
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 3);
        let lines = told.lines();
        let [(code, unsaid, story)] = &lines[..] else {
            panic!("one of three: {lines:?}")
        };
        assert_eq!((&**code, &**unsaid), ("4002", "0"));
        assert!(
            story.contains(" joined; ") && story.contains(" closed 4002 slow_consumer"),
            "{story}"
        );
        assert!(!story.contains("Reader"), "names are no matter of the log: {story}");

        violator.takes_what_arrived();
        breaks_it(&game, &violator);
        let (code, unsaid, story) = told.lines().pop().expect("a second later");
        assert_eq!((&*code, &*unsaid), ("1002", "2"));
        assert!(story.ends_with("closed 1002 protocol_violation"), "{story}");
    });
}

#[test]
fn a_flood_of_violations_is_one_line() {
    let told = Told::default();
    tracing::subscriber::with_default(Registry::default().with(told.clone()), || {
        let game = one_shard();
        let violators: Vec<_> = (0..20)
            .map(|number| in_room(&game, "Violator", &format!("ROOM{}{}", number / 5 + 2, number % 5 + 2)))
            .collect();
        let alone = game.connect("Alone");
        game.settle();
        breaks_it(&game, &alone);
        assert!(told.lines().is_empty(), "without a room there is nothing to tell");
        violators.iter().for_each(|violator| breaks_it(&game, violator));
        assert_eq!(told.lines().len(), 1);
    });
}
