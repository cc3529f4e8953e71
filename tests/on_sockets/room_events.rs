//! What happens to rooms is told to the program that the server runs in: once, in order, and counted where it is not.

use serde_json::{Value, json};
use signal_fish_relay::config::Config;
use signal_fish_relay::{
    PlayerId, Remover, RoomEvent, RoomEvents, RoomNews, Server as Relay, ServerHandle, SessionEnd,
};

use crate::support::player::{Player, Received, join_message};

fn start(capacity: usize) -> (ServerHandle, RoomEvents) {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 2;
    let relay = Relay::builder().config(config).room_events(capacity).start();
    let relay = relay.expect("it starts");
    let events = relay.room_events().expect("nobody took them");
    assert!(relay.room_events().is_none(), "one takes them");
    (relay, events)
}

fn id(of: &Value) -> PlayerId {
    serde_json::from_value(of.clone()).expect("an id")
}

/// The next events, whose numbers follow this one.
fn take(events: &mut RoomEvents, count: u64, after: u64) -> Vec<RoomEvent> {
    (1..=count)
        .map(|place| {
            let event = events.wait().expect("the server runs");
            assert_eq!(event.number, after + place, "{event:?}");
            event
        })
        .collect()
}

fn news(events: Vec<RoomEvent>) -> Vec<RoomNews> {
    events.into_iter().map(|event| event.what).collect()
}

#[test]
fn the_life_of_a_room_is_told_in_order() {
    let (relay, mut events) = start(100);
    let address = relay.addresses().players;
    let mut host = Player::moderator_at(address);
    let joined = host.operates(
        "JoinRoom",
        &json!({"game_name": "tide-pool", "player_name": "Host"}),
        "RoomJoined",
    );
    let (mira, code) = (
        id(&joined["player_id"]),
        joined["room_code"].as_str().expect("a code").to_owned(),
    );
    let opened = take(&mut events, 3, 0);
    assert_eq!(&*opened[0].room.game_name, "tide-pool");
    assert_eq!(
        (opened[0].room.code.as_str(), opened[0].id()),
        (&*code, format!("{}.1", opened[0].room.id))
    );
    let room = opened[0].room.id;
    assert!(opened.iter().all(|event| event.room.id == room));
    let expected = [
        RoomNews::Opened { max_players: 8 },
        RoomNews::Joined {
            player: mira,
            name: "Host".into(),
        },
        RoomNews::AuthorityMoved { to: Some(mira) },
    ];
    assert_eq!(news(opened), expected);

    let mut guest = Player::moderator_at(address);
    guest.send(&join_message("tide-pool", "Guest", Some(&code)));
    let joined = guest.wait_for("RoomJoined");
    let otto = id(&joined["player_id"]);
    host.operates("TransferAuthority", &json!({"player_id": otto}), "AuthorityTransferred");
    let expected = [
        RoomNews::Joined {
            player: otto,
            name: "Guest".into(),
        },
        RoomNews::AuthorityMoved { to: Some(otto) },
    ];
    assert_eq!(news(take(&mut events, 2, 3)), expected);

    // Away and back again, with the authority that nobody took meanwhile.
    let token = joined["reconnection_token"].clone();
    drop(guest);
    let expected = [
        RoomNews::Left {
            player: otto,
            may_return: true,
        },
        RoomNews::AuthorityMoved { to: None },
    ];
    assert_eq!(news(take(&mut events, 2, 5)), expected);
    let mut guest = Player::moderator_at(address);
    guest.send(&json!({"type": "Reconnect", "data": {"player_id": otto, "room_id": room, "auth_token": token}}));
    guest.wait_for("Reconnected");
    let expected = [
        RoomNews::Returned { player: otto },
        RoomNews::AuthorityMoved { to: Some(otto) },
    ];
    assert_eq!(news(take(&mut events, 2, 7)), expected);

    for player in [&mut host, &mut guest] {
        player.send(&json!({"type": "PlayerReady"}));
    }
    guest.wait_for("LobbyStateChanged");
    guest.wait_for("LobbyStateChanged");
    guest.send(&json!({"type": "StartGame"}));
    guest.operates("BanPlayer", &json!({"player_id": mira}), "PlayerBanned");
    let expected = [
        RoomNews::GameStarted { players: 2 },
        RoomNews::Removed {
            player: mira,
            by: Remover::AuthorityForGood,
        },
        RoomNews::Left {
            player: mira,
            may_return: false,
        },
    ];
    assert_eq!(news(take(&mut events, 3, 9)), expected);

    assert_eq!(relay.kick(room, mira).wait(), Ok(false));
    assert_eq!(relay.close_room(room).wait(), Ok(true));
    let last = news(take(&mut events, 3, 12));
    assert_eq!(
        last[0],
        RoomNews::Left {
            player: otto,
            may_return: false
        }
    );
    assert_eq!(last[1], RoomNews::AuthorityMoved { to: None });
    let RoomNews::Closed { why, peak_players, .. } = &last[2] else {
        panic!("{last:?}")
    };
    assert_eq!((*why, *peak_players), (SessionEnd::Closed, 2));
    assert_eq!(events.lost(), 0);
    relay.shutdown().wait();
    assert_eq!(events.wait(), None, "it ends with the server");
}

#[test]
fn the_operators_removals_and_readers_that_do_not_read_are_told() {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 1;
    config.runtime.outbox_max_bytes = Some(config.largest_relayed_frame_bytes());
    config.websocket.socket_send_buffer_bytes = 4_096;
    let relay = Relay::builder()
        .config(config)
        .room_events(100)
        .start()
        .expect("it starts");
    let mut events = relay.room_events().expect("nobody took them");
    let address = relay.addresses().players;
    let mut host = Player::authenticated_at(address);
    let code = host.create("tide-pool", "Host");
    let mut deaf = Player::authenticated_at(address);
    let joined = deaf.join("tide-pool", "Deaf", &code);
    let (room, player) = (take(&mut events, 4, 0)[0].room.id, id(&joined["player_id"]));
    // It reads nothing any more, and whatever is said to it piles up.
    let said = json!("x".repeat(30_000));
    while relay
        .world()
        .counters(signal_fish_relay::ShardId(0))
        .slow_consumers
        .get()
        == 0
    {
        host.say(&said);
    }
    let told = news(take(&mut events, 2, 4));
    assert_eq!(told[0], RoomNews::SlowReader { player });
    assert_eq!(
        told[1],
        RoomNews::Left {
            player,
            may_return: false
        },
        "version 2 is told no token"
    );

    let detail = relay
        .room(room)
        .wait()
        .expect("its shard answers")
        .expect("it is there");
    let mira = detail.players[0].id;
    assert_eq!(relay.kick(room, mira).wait(), Ok(true));
    let told = news(take(&mut events, 2, 6));
    assert_eq!(
        told[0],
        RoomNews::Removed {
            player: mira,
            by: Remover::Operator
        }
    );
    assert_eq!(
        told[1],
        RoomNews::Left {
            player: mira,
            may_return: false
        }
    );
    while host.receive() != Received::Close(Some(4007)) {}
}

#[test]
fn what_finds_no_room_is_counted_and_leaves_a_gap() {
    const ROOM_FOR: usize = 4;
    let (relay, mut events) = start(ROOM_FOR);
    let mut host = Player::authenticated_at(relay.addresses().players);
    // Of each stay five events: the seat, the authority, both again, and the room the first time.
    let code = host.create("tide-pool", "Host");
    host.leave();
    for _ in 0..3 {
        host.join("tide-pool", "Host", &code);
        host.leave();
    }
    relay.shutdown().wait();
    let taken: Vec<_> = std::iter::from_fn(|| events.wait()).collect();
    let numbers: Vec<_> = taken.iter().map(|event| event.number).collect();
    assert!(numbers.is_sorted() && numbers.len() >= ROOM_FOR, "{numbers:?}");
    // Opened, joined, authority, left, authority; then three times joined and left.
    assert_eq!(taken.len() as u64 + events.lost(), 11, "{taken:?}");
}
