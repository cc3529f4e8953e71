//! What a program asks of the servers that run in it, and does to their rooms.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::{PlayerId, RoomId};
use signal_fish_relay::runtime::supervisor::Outcome;
use signal_fish_relay::server::{AskError, ServeError, Server as Relay, ServerHandle};
use signal_fish_relay::shard::ShardId;
use socket2::{Domain, Socket, Type};

use crate::support::player::{Player, Received, join_message};
use crate::support::server::Server;
use crate::support::wire::{UPGRADE, Wire};

fn config(shards: usize) -> Config {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = shards;
    config
}

fn id<T: serde::de::DeserializeOwned>(of: &serde_json::Value) -> T {
    serde_json::from_value(of.clone()).expect("an id")
}

/// A room with a player and a spectator: theirs and its ids.
fn room_of_two(server: &Server) -> (Player, Player, RoomId, [PlayerId; 2]) {
    let mut host = Player::authenticated(server);
    host.send(&join_message("tide-pool", "Host", None));
    let joined = host.expect("RoomJoined");
    host.expect("LobbyStateChanged");
    let mut watcher = Player::authenticated(server);
    watcher.send(&json!({"type": "JoinAsSpectator", "data":
        {"game_name": "tide-pool", "room_code": joined["room_code"], "spectator_name": "Watcher"}}));
    let watching = watcher.expect("SpectatorJoined");
    host.expect("NewSpectatorJoined");
    let ids = [id(&joined["player_id"]), id(&watching["spectator_id"])];
    (host, watcher, id(&joined["room_id"]), ids)
}

#[test]
fn rooms_are_shown_and_closed() {
    let server = Server::start(3);
    let (mut host, mut watcher, room, [player, spectator]) = room_of_two(&server);
    let handle = server.handle();
    let list = handle.rooms().wait().expect("the shards answer");
    assert_eq!((list.count, list.rooms.len()), (1, 1));
    let shown = &list.rooms[0];
    assert_eq!((shown.id, shown.players, shown.spectators), (room, 1, 1));
    assert_eq!((&*shown.game_name, shown.authority), ("tide-pool", Some(player)));
    let detail = handle
        .room(room)
        .wait()
        .expect("its shard answers")
        .expect("it is there");
    assert_eq!(detail.room.id, room);
    assert_eq!((detail.players[0].id, &*detail.players[0].name), (player, "Host"));
    assert_eq!(detail.spectators[0].id, spectator);

    assert_eq!(handle.close_room(room).wait(), Ok(true));
    let error = host.expect("Error");
    assert_eq!(error["error_code"], "ROOM_NOT_FOUND");
    assert_eq!(host.receive(), Received::Close(Some(4005)));
    assert_eq!(watcher.expect("SpectatorLeft")["reason"], "room_closed");
    assert!(watcher.is_served());
    assert_eq!(handle.close_room(room).wait(), Ok(false));
    assert_eq!(handle.room(room).wait(), Ok(None));
    assert_eq!(server.count(|counters| &counters.rooms_closed), 1);
    server.stop();
}

#[test]
fn players_and_spectators_are_removed() {
    let server = Server::start(2);
    let (mut host, mut watcher, room, [player, spectator]) = room_of_two(&server);
    let handle = server.handle();
    assert_eq!(handle.kick(room, spectator).wait(), Ok(true));
    assert_eq!(watcher.expect("SpectatorLeft")["reason"], "removed");
    host.expect("SpectatorDisconnected");
    assert_eq!(handle.kick(room, player).wait(), Ok(true));
    assert_eq!(host.expect("Error")["error_code"], "KICKED");
    assert_eq!(host.receive(), Received::Close(Some(4007)));
    assert_eq!(handle.kick(room, player).wait(), Ok(false), "nothing is kept of it");
    assert_eq!(server.count(|counters| &counters.expulsions), 2);
    let page = handle.metrics().wait().expect("the page");
    assert!(page.contains("\nsignal_fish_room_expulsions_total 2\n"), "{page}");
    server.stop();
}

#[test]
fn whoever_asks_a_server_that_has_ended_is_told() {
    let relay = Relay::builder().config(config(1)).start().expect("it starts");
    let ended = relay.ended();
    assert_eq!(relay.drain().wait(), Outcome::Stopped);
    assert_eq!(ended.wait(), Outcome::Stopped);
    assert_eq!(relay.wait(), Outcome::Stopped);
    assert_eq!(relay.rooms().wait(), Err(AskError::Ended));
    assert_eq!(relay.shutdown().wait(), Outcome::Stopped, "again");
}

#[test]
fn what_is_not_valid_does_not_start_and_is_not_taken_over() {
    let mut wrong = config(1);
    wrong.runtime.tick_ms = 0;
    let error = Relay::builder().config(wrong.clone()).start().expect_err("not valid");
    assert!(matches!(&error, ServeError::Config(_)), "{error}");
    let relay = Relay::builder().config(config(1)).start().expect("it starts");
    let error = relay.reload(&wrong).expect_err("not valid");
    assert!(error.to_string().contains("runtime.tick_ms"), "{error}");
}

#[test]
fn all_shards_accept_from_sockets_that_were_opened_before() {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = socket.local_addr().expect("bound");
    let builder = Relay::builder().config(config(2)).socket(socket);
    let relay = builder.start().expect("it starts");
    assert_eq!(relay.addresses().players, address);
    // A shard that sleeps takes the next: with one busy, it is the other.
    let mut players = Vec::new();
    let accepted = |shard| relay.world().counters(ShardId(shard)).upgrades_accepted.get();
    while (0..2).any(|shard| accepted(shard) == 0) {
        assert!(players.len() < 500, "one shard accepts nobody");
        players.push(Player::connect_to(address));
    }
}

#[test]
fn who_had_come_to_any_socket_hears_why_it_ends() {
    const CALLERS: usize = 800;
    let open = |port| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("an option of every socket");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.bind(&address.into()).expect("a port");
        socket.listen(1024).expect("a listener");
        TcpListener::from(socket)
    };
    let first = open(0);
    let address = first.local_addr().expect("bound");
    let second = open(address.port());
    // All of them wait before there is a server; the kernel has dealt them out to both sockets.
    let mut callers: Vec<Wire> = (0..CALLERS)
        .map(|_| {
            let mut wire = Wire::connect(address);
            wire.send(UPGRADE.as_bytes());
            wire
        })
        .collect();
    let mut wanted = config(1);
    wanted.server.drain_grace_secs = 0;
    wanted.security.max_connections_per_ip = CALLERS;
    let builder = Relay::builder().config(wanted).socket(first).socket(second);
    let relay = builder.start().expect("it starts");
    let ending = relay.shutdown();
    for caller in &mut callers {
        assert!(caller.head().starts_with("HTTP/1.1 "), "it is answered");
    }
    drop(callers);
    assert_eq!(ending.wait(), Outcome::Stopped);
}

#[test]
fn with_a_seed_and_a_clock_a_server_does_the_same_again() {
    let began = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let seen = || {
        let builder = Relay::builder().config(config(1)).seed([7; 32]).wall_clock(began);
        let relay = builder.start().expect("it starts");
        let mut player = Player::connect_to(relay.addresses().players);
        player.send(&join_message("tide-pool", "Host", None));
        let joined = player.expect("RoomJoined");
        let since = joined["current_players"][0]["connected_at"].as_str().expect("a time");
        assert!(since.starts_with("2001-09-09T01:4"), "{since}");
        (joined["room_code"].clone(), joined["room_id"].clone())
    };
    assert_eq!(seen(), seen());
}

/// What a server counts of what its players did.
fn books(relay: &ServerHandle) -> [u64; 5] {
    let world = relay.world();
    let shards = (0..world.shards()).map(|number| world.counters(ShardId(number)));
    shards.fold([0; 5], |sums, counters| {
        let counts = [
            &counters.rooms_created,
            &counters.rooms_joined,
            &counters.players_left,
            &counters.game_data_messages,
            &counters.deliveries,
        ];
        std::array::from_fn(|place| sums[place] + counts[place].get())
    })
}

#[test]
fn two_servers_in_one_process_keep_books_of_their_own() {
    const MESSAGES: u64 = 200;
    let start = |seed| {
        let builder = Relay::builder().config(config(2)).seed([seed; 32]);
        builder.start().expect("it starts")
    };
    let relays = [start(1), start(2)];
    // The same room, by name and code, in both; one has one guest, the other two.
    let play = |relay: &ServerHandle, guests: usize| {
        let address = relay.addresses().players;
        let mut host = Player::connect_to(address);
        host.send(&join_message("tide-pool", "Host", Some("REEF22")));
        host.expect("RoomJoined");
        let mut players: Vec<Player> = (0..guests)
            .map(|number| {
                let mut guest = Player::connect_to(address);
                guest.join("tide-pool", &format!("Guest {number}"), "REEF22");
                guest
            })
            .collect();
        for number in 0..MESSAGES {
            host.say(&json!({ "number": number, "of": guests }));
        }
        for guest in &mut players {
            for number in 0..MESSAGES {
                let said = guest.wait_for("GameData");
                assert_eq!(said["data"], json!({ "number": number, "of": guests }));
            }
        }
        for guest in &mut players {
            guest.send(&json!({"type": "LeaveRoom"}));
            guest.wait_for("RoomLeft");
        }
        assert_eq!(relay.rooms().wait().expect("the shards answer").count, 1);
        (host, players)
    };
    let _still_there = std::thread::scope(|scope| {
        let one = scope.spawn(|| play(&relays[0], 1));
        let other = scope.spawn(|| play(&relays[1], 2));
        [one, other].map(|playing| playing.join().expect("no panic"))
    });
    assert_eq!(books(&relays[0]), [1, 1, 1, MESSAGES, MESSAGES]);
    assert_eq!(books(&relays[1]), [1, 2, 2, MESSAGES, 2 * MESSAGES]);
    let [one, other] = relays;
    assert_eq!(one.shutdown().wait(), Outcome::Stopped);
    assert!(
        Player::connect_to(other.addresses().players).is_served(),
        "the other goes on"
    );
}
