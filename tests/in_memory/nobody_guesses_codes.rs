//! Whoever guesses room codes gets so many tries from one address, however many connections it opens, on whatever shard
//! and by whatever request; and nobody who plays, creates or comes back notices.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::session::ClientAddress;
use signal_fish_relay::shard::InboxLimits;

use crate::harness::{Client, Frame, Game, Setup, in_every_schedule, live_bytes};

const GAME: &str = "tide-pool";
const LIMIT: u64 = 12;
const WINDOW_MS: u64 = 60_000;
const ID: &str = "77777777-7777-4777-8777-777777777777";

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.limits.failed_joins = Some(LIMIT as u32);
    setup.limits.failed_joins_window_ms = WINDOW_MS;
    setup
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A client from an address, on either path, that may send operations.
fn enter_from(game: &Game, from: &str, endpoint: ProtocolVersion) -> Client {
    game.machine().arrives_from = address(from);
    let client = game.connect_by(from, None, endpoint);
    client.authenticate_with(json!({"app_id": "reef-racer", "requested_capabilities": ["room_operation_ids"]}));
    client
}

fn code(number: u64) -> String {
    format!("{:06}", 222_222 + number)
}

/// The ways to name a code.
#[derive(Debug, Clone, Copy)]
enum Way {
    Join,
    JoinOnly,
    Watch,
    JoinAsOperation,
    WatchAsOperation,
}

const WAYS: [Way; 5] = [
    Way::Join,
    Way::JoinOnly,
    Way::Watch,
    Way::JoinAsOperation,
    Way::WatchAsOperation,
];

impl Way {
    fn request(self, code: &str) -> Value {
        let join = json!({"game_name": GAME, "player_name": "Guesser", "room_code": code});
        let watch = json!({"game_name": GAME, "spectator_name": "Guesser", "room_code": code});
        let operation = |kind: &str, data: Value| {
            json!({"type": "RoomOperation", "data":
                {"operation_id": ID, "operation": {"type": kind, "data": data}}})
        };
        match self {
            Self::Join => json!({"type": "JoinRoom", "data": join}),
            Self::JoinOnly => {
                let mut join = join;
                join["join_only"] = true.into();
                json!({"type": "JoinRoom", "data": join})
            }
            Self::Watch => json!({"type": "JoinAsSpectator", "data": watch}),
            Self::JoinAsOperation => operation("JoinRoom", join),
            Self::WatchAsOperation => operation("JoinAsSpectator", watch),
        }
    }
}

/// The kind of the next answer, with its error's code or nothing.
fn answer(client: &Client) -> (String, String) {
    let Frame::Text(message) = client.next_frame() else {
        panic!("a message was expected")
    };
    let result = match &message["type"] {
        kind if kind == "RoomOperationResult" => &message["data"]["result"],
        _ => &message.value,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&result["type"]), text(&result["data"]["error_code"]))
}

/// One guess over a connection of its own. Says whether it was looked up.
fn guess(game: &Game, from: &str, way: Way, code: &str) -> bool {
    let endpoint = match way {
        Way::JoinAsOperation | Way::WatchAsOperation | Way::JoinOnly => ProtocolVersion::V3,
        Way::Join | Way::Watch => ProtocolVersion::V2,
    };
    let client = enter_from(game, from, endpoint);
    let (kind, error) = answer(client.sends(way.request(code)));
    client.closes(1000, "");
    game.settle();
    if error == "RATE_LIMIT_EXCEEDED" {
        return false;
    }
    let is_miss = error == "ROOM_NOT_FOUND" || kind == "RoomJoined";
    assert!(is_miss, "{way:?} {code}: {kind} {error}");
    true
}

#[test]
fn fresh_connections_on_all_shards_share_one_limit_whatever_they_ask() {
    in_every_schedule(setup, |game| {
        let tries = 0..5 * LIMIT;
        let looked_up = tries.filter(|number| {
            let way = WAYS[*number as usize % WAYS.len()];
            guess(game, "192.0.2.7", way, &code(*number))
        });
        assert_eq!(looked_up.collect::<Vec<_>>(), (0..LIMIT).collect::<Vec<_>>());
        assert_eq!(game.count("joins_missed_total"), LIMIT);
        assert_eq!(game.count("joins_throttled_total"), 4 * LIMIT);
        assert_eq!(game.count("joins_sources_displaced_total"), 0);
        // Another address is not meant, and the next window begins anew.
        assert!(guess(game, "192.0.2.8", Way::JoinOnly, &code(900)));
        game.advance_ms(WINDOW_MS);
        assert!(guess(game, "192.0.2.7", Way::JoinOnly, &code(901)));
    });
}

#[test]
fn beyond_the_limit_a_code_that_exists_is_answered_as_one_that_does_not() {
    in_every_schedule(setup, a_code_that_exists_is_answered_as_one_that_does_not);
    // Without outposts whoever wants to watch moves to the room's home.
    let without_outposts = || setup().with(|settings| settings.rooms.outpost_members = None);
    in_every_schedule(without_outposts, a_code_that_exists_is_answered_as_one_that_does_not);
}

fn a_code_that_exists_is_answered_as_one_that_does_not(game: &Game) {
    let host = enter_from(game, "192.0.2.1", ProtocolVersion::V2);
    let room = host.create_room(GAME, "Host").room_code;
    for number in 0..LIMIT {
        assert!(guess(game, "192.0.2.7", Way::JoinOnly, &code(number)));
    }
    let hops = game.count("hops_sent_total");
    for way in WAYS {
        let answers = [&room, &code(900)].map(|code| {
            let client = enter_from(game, "192.0.2.7", ProtocolVersion::V3);
            client.sends(way.request(code)).takes_all()
        });
        assert_eq!(answers[0], answers[1], "{way:?}");
        assert_eq!(answers[0].len(), 1);
    }
    assert_eq!(game.count("hops_sent_total"), hops, "nobody had to move for it");
    host.expects_nothing();
}

#[test]
fn who_sits_creates_or_comes_back_behind_a_guessers_address_notices_nothing() {
    in_every_schedule(setup, |game| {
        let host = enter_from(game, "192.0.2.7", ProtocolVersion::V2);
        let seat = host.create_room(GAME, "Host");
        let friend = enter_from(game, "192.0.2.7", ProtocolVersion::V3);
        friend.asks_to_join(json!({"game_name": GAME, "player_name": "Friend", "room_code": seat.room_code}));
        let friends = friend.expects(json!({"type": "RoomJoined", "data": "$any"}))["data"].clone();
        host.expects(json!({"type": "PlayerJoined", "data": "$any"}));
        assert_eq!(game.count("joins_missed_total"), 0, "who knows the code does not guess");
        for number in 0..2 * LIMIT {
            guess(game, "192.0.2.7", WAYS[number as usize % WAYS.len()], &code(number));
        }
        // They play,
        friend.sends_json(json!("there"));
        host.expects(json!({"type": "GameData", "data": "$any"}));
        // one loses its connection and comes back with its token,
        friend.finishes();
        host.expects(json!({"type": "PlayerLeft", "data": "$any"}));
        let back = enter_from(game, "192.0.2.7", ProtocolVersion::V3);
        back.sends(json!({"type": "Reconnect", "data": {"player_id": friends["player_id"],
            "room_id": friends["room_id"], "auth_token": friends["reconnection_token"]}}));
        back.expects(json!({"type": "Reconnected", "data": "$any"}));
        host.expects(json!({"type": "PlayerReconnected", "data": "$any"}));
        // somebody else opens a room without naming a code, and who is elsewhere finds it.
        let other = enter_from(game, "192.0.2.7", ProtocolVersion::V2).create_room(GAME, "Other");
        enter_from(game, "192.0.2.8", ProtocolVersion::V2).join(GAME, &other.room_code, "Guest");
    });
}

#[test]
fn friends_who_have_agreed_upon_a_code_miss_once_in_all() {
    in_every_schedule(setup, |game| {
        for number in 0..6 {
            let player = enter_from(game, "192.0.2.7", ProtocolVersion::V2);
            player.asks_to_join(
                json!({"game_name": GAME, "player_name": format!("P{number}"), "room_code": "FRIEND", "max_players": 6}),
            );
            assert_eq!(answer(&player), ("RoomJoined".to_owned(), String::new()));
        }
        assert_eq!(game.count("joins_missed_total"), 1, "the first one made the room");
    });
}

#[test]
fn a_wrong_password_is_a_miss_and_a_full_room_is_none() {
    in_every_schedule(setup, |game| {
        let host = enter_from(game, "192.0.2.1", ProtocolVersion::V2);
        host.asks_to_join(json!({"game_name": GAME, "player_name": "Host", "password": "kelp", "max_players": 1}));
        let room = host.expects_created().room_code;
        let ask = |password: &str| {
            let guest = enter_from(game, "192.0.2.7", ProtocolVersion::V3);
            guest.asks_to_join(
                json!({"game_name": GAME, "player_name": "Guest", "room_code": room, "password": password}),
            );
            answer(&guest).1
        };
        for _ in 0..2 * LIMIT {
            assert_eq!(ask("kelp"), "ROOM_FULL");
        }
        for number in 0..LIMIT {
            assert_eq!(ask(&number.to_string()), "PASSWORD_REQUIRED");
        }
        assert_eq!(
            ask("kelp"),
            "RATE_LIMIT_EXCEEDED",
            "the right one is not tried any more"
        );
        assert_eq!(game.count("joins_missed_total"), LIMIT);
    });
}

#[test]
fn a_wrong_password_is_a_miss_for_who_wants_to_watch_wherever_its_place_would_be() {
    for outpost_members in [None, Some(1)] {
        let setup = || setup().with(|settings| settings.rooms.outpost_members = outpost_members);
        in_every_schedule(setup, |game| {
            let host = enter_from(game, "192.0.2.1", ProtocolVersion::V2);
            host.asks_to_join(json!({"game_name": GAME, "player_name": "Host", "password": "kelp"}));
            let room = host.expects_created().room_code;
            let ask = |password: &str| {
                let visitor = enter_from(game, "192.0.2.7", ProtocolVersion::V2);
                visitor.sends(json!({"type": "JoinAsSpectator", "data":
                    {"game_name": GAME, "spectator_name": "Visitor", "room_code": room, "password": password}}));
                answer(&visitor)
            };
            assert_eq!(ask("kelp").0, "SpectatorJoined");
            for number in 0..LIMIT {
                assert_eq!(ask(&number.to_string()).1, "PASSWORD_REQUIRED");
            }
            assert_eq!(ask("kelp").1, "RATE_LIMIT_EXCEEDED");
            assert_eq!(game.count("joins_missed_total"), LIMIT);
        });
    }
}

#[test]
fn guesses_that_are_all_on_their_way_at_once_are_no_more_than_the_limit() {
    for watches in [false, true] {
        let game = Game::new(Setup {
            inbox: InboxLimits { bulk: 256, reserve: 64 },
            shards: 2,
            ..setup()
        });
        game.machine().arrives_from = address("192.0.2.7");
        let guessers: Vec<_> = (0..100)
            .map(|number| {
                let client = game.connect_to(&format!("guesser{number}"), Some(0));
                client.authenticate("reef-racer");
                client
            })
            .collect();
        game.machine().holds_transfers = true;
        let way = if watches { Way::Watch } else { Way::Join };
        for (number, guesser) in guessers.iter().enumerate() {
            guesser.sends(way.request(&code(number as u64)));
        }
        game.settle();
        game.machine().holds_transfers = false;
        let refused = |guesser: &&Client| answer(guesser).1 == "RATE_LIMIT_EXCEEDED";
        assert_eq!(guessers.iter().filter(refused).count() as u64, 100 - LIMIT);
        assert_eq!(game.count("joins_missed_total"), LIMIT);
    }
}

#[test]
fn a_network_of_ipv6_is_one_guesser() {
    in_every_schedule(setup, |game| {
        let prefix = 0x2001_0db8_0001_0002_u128 << 64;
        for number in 0..LIMIT {
            let from = Ipv6Addr::from_bits(prefix | (u128::from(number) * 0x1_0001_0001 + 1)).to_string();
            assert!(guess(game, &from, Way::JoinOnly, &code(number)));
        }
        assert!(!guess(game, "2001:db8:1:2:ffff::1", Way::JoinOnly, &code(900)));
        assert!(guess(game, "2001:db8:1:3::1", Way::JoinOnly, &code(901)));
        // IPv4 in the form of IPv6 is IPv4.
        for number in 0..LIMIT {
            assert!(guess(game, "::ffff:192.0.2.7", Way::JoinOnly, &code(number)));
        }
        assert!(!guess(game, "192.0.2.7", Way::JoinOnly, &code(900)));
        assert!(guess(game, "192.0.2.8", Way::JoinOnly, &code(901)));
    });
}

#[test]
fn loopback_is_free_where_it_is_exempt_and_nobody_is_bound_without_a_limit() {
    let unlimited = || {
        let mut setup = setup();
        setup.limits.failed_joins = None;
        setup
    };
    let exposed = || {
        let mut setup = setup();
        setup.limits.sources.exempt_loopback = false;
        setup
    };
    for (setup, from, is_free) in [
        (setup(), "127.0.0.1", true),
        (setup(), "::1", true),
        (exposed(), "127.0.0.1", false),
        (exposed(), "::1", false),
        (unlimited(), "192.0.2.7", true),
    ] {
        let game = Game::new(setup);
        let looked_up = (0..3 * LIMIT).filter(|number| guess(&game, from, Way::JoinOnly, &code(*number)));
        let looked_up = looked_up.count() as u64;
        assert_eq!(looked_up, if is_free { 3 * LIMIT } else { LIMIT }, "from {from}");
        assert_eq!(game.count("joins_missed_total"), looked_up, "counted in any case");
    }
}

#[test]
fn a_flood_of_addresses_takes_two_megabytes_at_most_and_gives_them_back() {
    let game = Game::new(setup());
    let world = std::sync::Arc::clone(&game.machine().world);
    let start = live_bytes();
    for network in 0..500_000_u128 {
        let from = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (network << 64) | 1);
        world.ledger.note_miss(ClientAddress::own(from.into()), 1_000);
    }
    let held = live_bytes() - start;
    println!("{held} bytes are held of 500,000 networks");
    assert!((1..2_000_000).contains(&held), "{held} bytes are held");
    for network in 0..500_000_u128 {
        let from = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (network << 64) | 1);
        let admitted = world
            .ledger
            .admit_guess(ClientAddress::own(from.into()), 1_000 + WINDOW_MS);
        assert!(admitted.is_ok(), "the window is over");
    }
    // What is printed above is captured, and stays.
    let held = live_bytes() - start;
    assert!(held < 1_024, "{held} bytes are held of nobody");
}
