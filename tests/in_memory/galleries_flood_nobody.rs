//! Who watches may come and go in any number: nobody who reads is closed for the news of it, and what was told last is true.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Client, Frame, Game, Seat, Setup};

const SPECTATORS: usize = 1_000;
const LEAVERS: usize = 100;

/// A room of many seats that any number may watch.
fn setup(outpost_members: Option<usize>) -> Setup {
    let setup = Setup {
        shards: 1,
        limits: signal_fish_relay::shard::admission::AdmissionLimits {
            connections: 5_000,
            connections_per_address: 5_000,
            ..Setup::default().limits
        },
        pipe_bytes: usize::MAX,
        ..Setup::default()
    };
    setup.with(|settings| {
        settings.rooms.outpost_members = outpost_members;
        settings.rooms.default_spectators = Some(0);
    })
}

fn enter(game: &Game, name: &str, version: ProtocolVersion) -> Client {
    let client = game.connect_by(name, None, version);
    client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer"}}));
    client
}

fn watch(game: &Game, name: &str, code: &str) -> Client {
    let client = enter(game, name, ProtocolVersion::V3);
    client.sends(json!({"type": "JoinAsSpectator", "data":
        {"game_name": "tide-pool", "spectator_name": name, "room_code": code}}));
    client
}

/// A room with players of both versions.
fn room(game: &Game, players: usize) -> (Seat, Vec<(ProtocolVersion, Client)>) {
    let host = game.enter("host");
    let seat = host.create_room("tide-pool", "Host");
    let mut seated = vec![(ProtocolVersion::V2, host)];
    for number in 1..players {
        let version = [ProtocolVersion::V2, ProtocolVersion::V3][number % 2];
        let client = enter(game, &format!("player{number}"), version);
        client.asks_to_join(
            json!({"game_name": "tide-pool", "player_name": format!("Player{number}"),
            "room_code": seat.room_code}),
        );
        seated.push((version, client));
    }
    game.settle();
    seated.iter().for_each(|(_, client)| drop(client.takes_all()));
    (seat, seated)
}

/// The messages of one kind or the other about who came and who went, and the length of them all.
fn news(client: &Client) -> (Vec<Value>, usize) {
    let (mut news, mut bytes) = (Vec::new(), 0);
    for frame in client.takes_all() {
        let Frame::Text(message) = frame else {
            panic!("{} was told {frame:?}", client.name())
        };
        if ["NewSpectatorJoined", "SpectatorDisconnected"].contains(&message["type"].as_str().expect("a tag")) {
            bytes += message.text.len();
            news.push(message.value);
        }
    }
    (news, bytes)
}

fn ids(roster: &Value) -> BTreeSet<String> {
    let roster = roster.as_array().expect("a list").iter();
    roster
        .map(|entry| entry["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// Who watches, as a newcomer is told.
fn roster(game: &Game, code: &str) -> BTreeSet<String> {
    let client = watch(game, "a last look", code);
    game.settle();
    let mut frames = client.takes_all().into_iter();
    let joined = frames.find_map(|frame| match frame {
        Frame::Text(message) if message["type"] == "SpectatorJoined" => Some(message.value),
        _ => None,
    });
    let data = joined.expect("a place")["data"].clone();
    let mut all = ids(&data["current_spectators"]);
    all.remove(data["spectator_id"].as_str().expect("an id"));
    all
}

fn many_leave_at_once(outpost_members: Option<usize>) {
    let game = Game::new(setup(outpost_members));
    let (seat, players) = room(&game, 8);
    let gallery: Vec<_> = (0..SPECTATORS)
        .map(|number| watch(&game, &format!("Kite{number}"), &seat.room_code))
        .collect();
    // Nobody looks at what they are told, which is half a million messages.
    for client in &gallery {
        client.reads(false);
    }
    game.settle();
    let longest = 200 * (SPECTATORS + 1);
    for (version, player) in &players {
        let (_, bytes) = news(player);
        // Twice 32 small ones before, and the first and the last of the rest.
        let bound = if *version == ProtocolVersion::V2 {
            4 * longest
        } else {
            300 * SPECTATORS
        };
        assert!(bytes <= bound, "{} was told {bytes} bytes of who came", player.name());
    }
    game.advance_ms(60_000);
    players.iter().for_each(|(_, player)| drop(player.takes_all()));

    for leaver in &gallery[..LEAVERS] {
        leaver.vanishes();
    }
    game.settle();
    game.advance_ms(60_000);
    assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 0);
    let told: Vec<_> = players.iter().map(|(_, player)| news(player)).collect();
    let left = roster(&game, &seat.room_code);
    assert_eq!(left.len(), SPECTATORS - LEAVERS);
    for ((version, player), (news, bytes)) in players.iter().zip(told) {
        assert!(player.is_connected(), "{} was closed", player.name());
        let last = &news.last().expect("it was told")["data"];
        if *version == ProtocolVersion::V2 {
            assert_eq!(ids(&last["current_spectators"]), left, "what was told last is true");
            assert!(news.len() <= 3, "{} was told {} times", player.name(), news.len());
            assert!(bytes <= 3 * longest, "{} was told {bytes} bytes", player.name());
        } else {
            assert_eq!(news.len(), LEAVERS, "{} is told of each", player.name());
            assert_eq!(last["spectator_count"], SPECTATORS - LEAVERS);
            assert!(bytes <= 300 * LEAVERS, "{} was told {bytes} bytes", player.name());
        }
    }
    assert!(game.count("gallery_news_replaced_total") > 0);
}

#[test]
fn a_hundred_who_leave_a_gallery_of_a_thousand_close_nobody() {
    many_leave_at_once(None);
}

#[test]
fn nor_do_they_where_they_watched_from_outposts() {
    many_leave_at_once(Some(256));
}

#[test]
fn a_small_gallery_is_told_of_at_once() {
    let game = Game::new(setup(None));
    let (seat, players) = room(&game, 4);
    for number in 0..32 {
        let kite = watch(&game, &format!("Kite{number}"), &seat.room_code);
        for (version, player) in &players {
            let (news, _) = news(player);
            assert_eq!(news.len(), 1, "{} is told of each", player.name());
            let data = &news[0]["data"];
            if *version == ProtocolVersion::V2 {
                assert_eq!(ids(&data["current_spectators"]).len(), number + 1);
            } else {
                assert_eq!(data["spectator_count"], number + 1);
            }
        }
        drop(kite);
    }
    assert_eq!(game.count("gallery_news_replaced_total"), 0);
}

/// A gallery about which something waits to be told to those who read version 2: who left it last, and its room.
fn with_waiting_news(game: &Game) -> (Seat, Vec<(ProtocolVersion, Client)>, Vec<Client>) {
    let (seat, players) = room(game, 2);
    let gallery: Vec<_> = (0..50)
        .map(|number| watch(game, &format!("Kite{number}"), &seat.room_code))
        .collect();
    game.settle();
    game.advance_ms(1_000);
    for leaver in &gallery[..3] {
        leaver.vanishes();
        game.settle();
    }
    let (told, _) = news(&players[0].1);
    assert_eq!(
        told.last().expect("the first was told at once")["type"],
        "SpectatorDisconnected"
    );
    assert_eq!(
        ids(&told.last().expect("as above")["data"]["current_spectators"]).len(),
        49
    );
    (seat, players, gallery)
}

#[test]
fn who_has_seen_the_gallery_since_is_not_told_what_is_older() {
    let game = Game::new(setup(None));
    let (seat, players, _gallery) = with_waiting_news(&game);
    let late = game.enter("late");
    late.asks_to_join(json!({"game_name": "tide-pool", "player_name": "Late", "room_code": seat.room_code}));
    let joined = late.expects(json!({"type": "RoomJoined", "data": "$any"}));
    assert_eq!(ids(&joined["data"]["current_spectators"]).len(), 47);
    game.advance_ms(1_000);
    late.expects_nothing();
    let (told, _) = news(&players[0].1);
    assert_eq!(told.len(), 1, "the others are told the newest");
    assert_eq!(ids(&told[0]["data"]["current_spectators"]).len(), 47);
}

#[test]
fn a_player_who_comes_back_is_not_told_what_is_older() {
    let game = Game::new(setup(None));
    let (seat, players) = room(&game, 2);
    let lost = enter(&game, "lost", ProtocolVersion::V3);
    lost.asks_to_join(json!({"game_name": "tide-pool", "player_name": "Lost", "room_code": seat.room_code}));
    game.settle();
    let mut frames = lost.takes_all().into_iter();
    let own = frames.find_map(|frame| match frame {
        Frame::Text(message) if message["type"] == "RoomJoined" => Some(message.value["data"].clone()),
        _ => None,
    });
    let own = own.expect("a seat");
    lost.vanishes();
    let gallery: Vec<_> = (0..50)
        .map(|number| watch(&game, &format!("Kite{number}"), &seat.room_code))
        .collect();
    game.settle();
    let back = game.enter("back");
    back.sends(
        json!({"type": "Reconnect", "data": {"player_id": own["player_id"], "room_id": own["room_id"],
        "auth_token": own["reconnection_token"]}}),
    );
    let answer = back.expects(json!({"type": "Reconnected", "data": "$any"}));
    let missed = answer["data"]["missed_events"].as_array().expect("a list");
    let of_gallery = missed.iter().filter(|event| event["type"] == "NewSpectatorJoined");
    let of_gallery: Vec<_> = of_gallery.collect();
    assert_eq!(of_gallery.len(), 1, "of a large gallery the newest news is enough");
    assert_eq!(ids(&of_gallery[0]["data"]["current_spectators"]).len(), gallery.len());
    game.advance_ms(1_000);
    back.expects_nothing();
    drop(players);
}

#[test]
fn a_room_that_ends_takes_its_news_along() {
    let game = Game::new(setup(None).with(|settings| settings.liveness.idle_timeout_ms = None));
    let (_, players, gallery) = with_waiting_news(&game);
    for client in players.iter().map(|(_, player)| player).chain(&gallery) {
        client.vanishes();
    }
    game.settle();
    game.advance_ms(1_000_000);
    assert_eq!(game.machine().rooms(), 0);
    assert_eq!(game.machine().connections(), 0);
}
