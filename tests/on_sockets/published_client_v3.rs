//! The published client on version 3: it comes back to its seat, sends its room requests under ids, and is moderated. It
//! keeps its own account of the protocol; a violation or an undecodable message ends the test.

use serde_json::{Value, json};
use signal_fish_client::error_codes::ErrorCode;
use signal_fish_client::protocol::{PlayerId, SpectatorStateChangeReason as Reason};
use signal_fish_client::{JoinRoomParams, SignalFishEvent as Event};

use crate::support::player::Player;
use crate::support::published::{Published, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

fn named(name: &str) -> JoinRoomParams {
    JoinRoomParams::new(GAME, name)
}

/// What a client must keep in order to come back.
#[derive(Debug, Clone)]
struct Ticket {
    code: String,
    room: PlayerId,
    player: PlayerId,
    token: String,
}

/// Takes a seat and keeps the ticket for it.
async fn seated(client: &mut Published, params: JoinRoomParams) -> Ticket {
    client.client.join_room(params).expect("a free client");
    match client.next().await {
        Event::RoomJoined {
            room_id,
            room_code,
            player_id,
            reconnection_token: Some(token),
            ..
        } => Ticket {
            code: room_code,
            room: room_id,
            player: player_id,
            token,
        },
        other => panic!("no seat: {other:?}"),
    }
}

async fn back(server: &Server, ticket: &Ticket) -> Published {
    let mut client = Published::on_version_3(server).await;
    client
        .client
        .reconnect(ticket.player, ticket.room, ticket.token.clone())
        .expect("a free client");
    client
}

fn expect_no_flaw(client: &Published) {
    assert_eq!(client.client.stats().messages_undecodable, 0);
}

/// Mira comes back several times, so that her new connection lands on several shards. Otto is a published client as well;
/// the room's authority is not, see `an_authority_comes_back_to_its_role`.
async fn come_back(shards: usize) {
    let server = Server::start(shards);
    let mut host = Player::authenticated(&server);
    let code = host.create(GAME, "Host");
    let mut mira = Published::on_version_3(&server).await;
    let mut otto = Published::on_version_3(&server).await;
    let mut ticket = seated(&mut mira, named("Mira").with_room_code(&code)).await;
    let otto_id = seated(&mut otto, named("Otto").with_room_code(&code)).await.player;
    assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));
    mira.client.send_game_data(json!("before")).expect("room in the queue");
    assert!(matches!(otto.next().await, Event::GameData { data, .. } if data == json!("before")));

    for round in 0..4 {
        drop(mira);
        assert!(matches!(otto.next().await, Event::PlayerLeft { player_id, .. } if player_id == ticket.player));
        // What she misses: one comes, something is said, somebody is ready, one goes.
        let mut kite = Published::on_version_3(&server).await;
        let kite_id = seated(&mut kite, named("Kite").with_room_code(&code)).await.player;
        host.say(&json!("lost"));
        assert!(matches!(kite.next().await, Event::GameData { .. }));
        kite.client.set_ready().expect("seated");
        assert!(matches!(kite.next().await, Event::LobbyStateChanged { .. }));
        kite.left().await;
        assert!(matches!(otto.next().await, Event::PlayerJoined { .. }));
        assert!(matches!(otto.next().await, Event::GameData { .. }));
        assert!(matches!(otto.next().await, Event::LobbyStateChanged { .. }));
        assert!(matches!(otto.next().await, Event::PlayerLeft { player_id, .. } if player_id == kite_id));

        mira = back(&server, &ticket).await;
        let Event::Reconnected {
            room_code,
            player_id,
            current_players,
            is_authority: false,
            missed_events,
            reconnection_token: Some(token),
            ..
        } = mira.next().await
        else {
            panic!("round {round}: no seat")
        };
        assert_eq!((&room_code, player_id), (&code, ticket.player));
        assert_eq!(current_players.len(), 3);
        let kinds: Vec<_> = missed_events.iter().map(kind_of).collect();
        assert_eq!(kinds, ["PlayerJoined", "LobbyStateChanged", "PlayerLeft"]);
        assert!(
            matches!(otto.next().await, Event::PlayerReconnected { player_id, epoch: Some(epoch) } if player_id == ticket.player && epoch == round + 2)
        );

        // The old token is spent, the new one is another.
        let mut late = back(&server, &ticket).await;
        assert!(matches!(
            late.next_even_refused().await,
            Event::ReconnectionFailed {
                error_code: ErrorCode::PlayerAlreadyConnected,
                ..
            }
        ));
        late.client.shutdown().await;
        assert_ne!(token, ticket.token);
        ticket.token = token;

        // Both streams go on without a gap that was not told.
        mira.client.send_game_data(json!(round)).expect("room in the queue");
        otto.client.send_game_data(json!(round)).expect("room in the queue");
        assert!(matches!(otto.next().await, Event::GameData { data, .. } if data == json!(round)));
        assert!(
            matches!(mira.next().await, Event::GameData { from_player, data, .. } if from_player == otto_id && data == json!(round))
        );
    }
    expect_no_flaw(&otto);
    mira.left().await;
    otto.next().await;
    otto.client.shutdown().await;
    drop(host);
    server.stop();
}

#[test]
fn an_authority_comes_back_to_its_role() {
    run(async {
        let server = Server::start(8);
        let mut mira = Published::on_version_3(&server).await;
        let ticket = seated(&mut mira, named("Mira")).await;
        assert!(matches!(mira.next().await, Event::LobbyStateChanged { .. }));
        // Not a published client: that one (0.14.0) forgets who left and takes a change of the authority to a player who has
        // come back for a violation.
        let mut otto = Player::authenticated(&server);
        otto.join(GAME, "Otto", &ticket.code);
        assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));
        mira.client.shutdown().await;
        otto.expect("PlayerLeft");
        assert_eq!(otto.expect("AuthorityChanged")["authority_player"], json!(null));
        let mut mira = back(&server, &ticket).await;
        assert!(matches!(
            mira.next().await,
            Event::Reconnected { is_authority: true, .. }
        ));
        assert!(matches!(
            mira.next().await,
            Event::AuthorityChanged {
                you_are_authority: true,
                ..
            }
        ));
        assert_eq!(otto.expect("PlayerReconnected")["player"]["is_authority"], json!(true));
        assert_eq!(
            otto.expect("AuthorityChanged")["authority_player"],
            json!(ticket.player)
        );
        mira.left().await;
        drop(otto);
        server.stop();
    });
}

fn kind_of(event: &signal_fish_client::SignalFishEvent) -> String {
    format!("{event:?}")
        .chars()
        .take_while(|shard_message| shard_message.is_alphanumeric())
        .collect()
}

#[test]
fn comes_back_with_what_it_missed_on_one_shard() {
    run(come_back(1));
}

#[test]
fn comes_back_with_what_it_missed_on_eight_shards() {
    run(come_back(8));
}

#[test]
fn sends_its_room_requests_under_ids_and_takes_refusals() {
    run(async {
        let server = Server::start(8);
        let mut mira = Published::on_version_3(&server).await;
        let mut otto = Published::on_version_3(&server).await;
        let ticket = seated(&mut mira, named("Mira").with_max_players(2)).await;
        assert!(matches!(mira.next().await, Event::LobbyStateChanged { .. }));
        for (params, expected) in [
            (
                named(" Otto").with_room_code(&ticket.code),
                ErrorCode::InvalidPlayerName,
            ),
            (
                named("MIRA").with_room_code(&ticket.code),
                ErrorCode::RoomCreationFailed,
            ),
            (named("Otto").with_room_code("?"), ErrorCode::InvalidRoomCode),
        ] {
            otto.client.join_room(params).expect("a free client");
            let refused = otto.next_even_refused().await;
            assert!(
                matches!(&refused, Event::RoomJoinFailed { error_code: Some(code), .. } if *code == expected),
                "{expected:?}: {refused:?}"
            );
        }
        otto.client
            .reconnect(ticket.player, ticket.room, ticket.token.clone())
            .expect("a free client");
        assert!(matches!(
            otto.next_even_refused().await,
            Event::ReconnectionFailed {
                error_code: ErrorCode::PlayerAlreadyConnected,
                ..
            }
        ));
        otto.client
            .join_as_spectator(GAME.into(), ticket.code.clone(), "Otto".into())
            .expect("a free client");
        assert!(matches!(otto.next().await, Event::SpectatorJoined { .. }));
        assert!(matches!(mira.next().await, Event::NewSpectatorJoined { .. }));
        otto.client.leave_spectator().expect("watching");
        assert!(matches!(otto.next().await, Event::SpectatorLeft { .. }));
        assert!(matches!(mira.next().await, Event::SpectatorDisconnected { .. }));
        for _ in 0..2 {
            seated(&mut otto, named("Otto").with_room_code(&ticket.code)).await;
            assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));
            otto.client.leave_room().expect("seated");
            assert!(matches!(otto.next().await, Event::RoomLeft));
            assert!(matches!(mira.next().await, Event::PlayerLeft { .. }));
        }
        expect_no_flaw(&otto);
        otto.client.shutdown().await;
        mira.left().await;
        server.stop();
    });
}

/// Waits until a removed client is disconnected with 4007.
async fn expect_removed(mut client: Published) {
    let mut was_told = false;
    loop {
        match client.next_even_refused().await {
            Event::Error {
                error_code: Some(ErrorCode::Kicked),
                ..
            } => was_told = true,
            Event::Disconnected { reason, .. } => {
                let reason = reason.unwrap_or_default();
                assert!(was_told, "disconnected without a word: {reason}");
                expect_no_flaw(&client);
                return;
            }
            other => panic!("not expected: {other:?}"),
        }
    }
}

#[test]
fn is_moderated_next_to_others() {
    run(async {
        let server = Server::start(8);
        let mut host = Player::moderator(&server);
        let joined = host.operates(
            "JoinRoom",
            &json!({"game_name": GAME, "player_name": "Host"}),
            "RoomJoined",
        );
        let code = joined["room_code"].as_str().expect("a code").to_owned();
        let mut mira = Published::on_version_3(&server).await;
        let mut otto = Published::authenticated(&server, None).await;
        let mira_ticket = seated(&mut mira, named("Mira").with_room_code(&code)).await;
        let (_, otto_id) = otto.seated(named("Otto").with_room_code(&code)).await;
        assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));

        // Kicked: told and closed; room mates of either version see it go.
        let mut kite = Published::on_version_3(&server).await;
        let kite_id = seated(&mut kite, named("Kite").with_room_code(&code)).await.player;
        for client in [&mut mira, &mut otto] {
            assert!(matches!(client.next().await, Event::PlayerJoined { .. }));
        }
        host.operates("KickPlayer", &json!({"player_id": kite_id}), "PlayerKicked");
        expect_removed(kite).await;
        for client in [&mut mira, &mut otto] {
            assert!(matches!(client.next().await, Event::PlayerLeft { player_id, .. } if player_id == kite_id));
        }

        // Banned: the same, and the door stays shut.
        let mut kite = Published::on_version_3(&server).await;
        let kite_id = seated(&mut kite, named("Kite").with_room_code(&code)).await.player;
        for client in [&mut mira, &mut otto] {
            assert!(matches!(client.next().await, Event::PlayerJoined { .. }));
        }
        host.operates("BanPlayer", &json!({"player_id": kite_id}), "PlayerBanned");
        expect_removed(kite).await;
        for client in [&mut mira, &mut otto] {
            assert!(matches!(client.next().await, Event::PlayerLeft { .. }));
        }
        let mut kite = Published::on_version_3(&server).await;
        kite.client
            .join_room(named("Kite").with_room_code(&code))
            .expect("a free client");
        assert!(matches!(
            kite.next_even_refused().await,
            Event::RoomJoinFailed {
                error_code: Some(ErrorCode::Banned),
                ..
            }
        ));

        // A spectator that is removed stays connected and may do something else.
        kite.client
            .join_as_spectator(GAME.into(), code.clone(), "Gull".into())
            .expect("a free client");
        let Event::SpectatorJoined { spectator_id, .. } = kite.next().await else {
            panic!("it may watch under another name")
        };
        for client in [&mut mira, &mut otto] {
            assert!(matches!(client.next().await, Event::NewSpectatorJoined { .. }));
        }
        host.operates("KickPlayer", &json!({"player_id": spectator_id}), "PlayerKicked");
        assert!(matches!(
            kite.next().await,
            Event::SpectatorLeft {
                reason: Some(Reason::Removed),
                ..
            }
        ));
        for client in [&mut mira, &mut otto] {
            assert!(matches!(
                client.next().await,
                Event::SpectatorDisconnected {
                    reason: Some(Reason::Removed),
                    ..
                }
            ));
        }
        seated(&mut kite, named("Gull")).await;
        expect_no_flaw(&kite);
        kite.client.shutdown().await;

        // A new code and a password, of which nobody is told; who comes back learns the one and is not asked for the other.
        let renewed = host.operates("RegenerateRoomCode", &Value::Null, "RoomCodeRegenerated");
        host.operates("SetRoomAccess", &json!({"password": "sesame"}), "RoomAccessUpdated");
        let mut late = Player::moderator(&server);
        let old_door = json!({"game_name": GAME, "player_name": "Late", "room_code": code, "join_only": true});
        let refused = late.operates("JoinRoom", &old_door, "RoomJoinFailed");
        assert_eq!(refused["error_code"], "ROOM_NOT_FOUND");
        drop(late);
        let mut late = Published::on_version_3(&server).await;
        late.client
            .join_room(named("Late").with_room_code(renewed["room_code"].as_str().expect("a code")))
            .expect("a free client");
        assert!(matches!(
            late.next_even_refused().await,
            Event::RoomJoinFailed {
                error_code: Some(ErrorCode::PasswordRequired),
                ..
            }
        ));
        late.client.shutdown().await;
        drop(mira);
        assert!(matches!(otto.next().await, Event::PlayerLeft { .. }));
        let mut mira = back(&server, &mira_ticket).await;
        let Event::Reconnected { room_code, .. } = mira.next().await else {
            panic!("no seat")
        };
        assert_eq!(json!(room_code), renewed["room_code"]);
        assert!(matches!(otto.next().await, Event::PlayerReconnected { .. }));

        // Authority that is handed over is an ordinary change of it.
        host.operates(
            "TransferAuthority",
            &json!({"player_id": otto_id}),
            "AuthorityTransferred",
        );
        assert!(matches!(
            otto.next().await,
            Event::AuthorityChanged {
                you_are_authority: true,
                ..
            }
        ));
        assert!(
            matches!(mira.next().await, Event::AuthorityChanged { authority_player: Some(player), you_are_authority: false } if player == otto_id)
        );
        host.operates("KickPlayer", &json!({"player_id": otto_id}), "OperationFailed");
        otto.left().await;
        mira.next().await;
        expect_no_flaw(&mira);
        mira.client.shutdown().await;
        drop(host);
        server.stop();
    });
}
