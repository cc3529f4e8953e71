//! The published client with spectators, authority, refusals and a second visit, on typed events.

use serde_json::json;
use signal_fish_client::error_codes::ErrorCode;
use signal_fish_client::protocol::{GameDataEncoding, SpectatorStateChangeReason as Reason};
use signal_fish_client::{JoinRoomParams, SignalFishEvent as Event};

use crate::support::published::{Published, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

fn named(name: &str) -> JoinRoomParams {
    JoinRoomParams::new(GAME, name)
}

async fn room_of_two(server: &Server) -> (Published, Published, String) {
    let mut mira = Published::authenticated(server, None).await;
    let mut otto = Published::authenticated(server, Some(GameDataEncoding::MessagePack)).await;
    let (code, _) = mira.seated(named("Mira").with_max_players(2)).await;
    assert!(matches!(mira.next().await, Event::LobbyStateChanged { .. }));
    otto.seated(named("Otto").with_room_code(&code)).await;
    assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));
    (mira, otto, code)
}

/// Lets a client watch; returns it with its id.
async fn spectator(server: &Server, code: &str, name: &str) -> Published {
    let mut kite = Published::authenticated(server, None).await;
    kite.client
        .join_as_spectator(GAME.into(), code.into(), name.into())
        .expect("a free client");
    let joined = kite.next().await;
    assert!(
        matches!(&joined, Event::SpectatorJoined { current_players, reason: Some(Reason::Joined), .. } if current_players.len() == 2),
        "{joined:?}"
    );
    kite
}

async fn watch_a_room(shards: usize) {
    let server = Server::start(shards);
    let (mut mira, mut otto, code) = room_of_two(&server).await;
    let mut kite = spectator(&server, &code, "Kite").await;
    for client in [&mut mira, &mut otto] {
        assert!(
            matches!(client.next().await, Event::NewSpectatorJoined { current_spectators, .. } if current_spectators.len() == 1)
        );
    }

    // Everything that happens in the room reaches the gallery.
    mira.client
        .send_game_data(json!({"tide": 3}))
        .expect("room in the queue");
    assert!(matches!(otto.next().await, Event::GameData { .. }));
    assert!(matches!(kite.next().await, Event::GameData { data, .. } if data == json!({"tide": 3})));
    otto.client.set_ready().expect("seated");
    for client in [&mut mira, &mut otto, &mut kite] {
        assert!(matches!(client.next().await, Event::LobbyStateChanged { .. }));
    }

    // One who asks to leave is told so; one who is lost is announced.
    let wren = spectator(&server, &code, "Wren").await;
    for client in [&mut mira, &mut otto, &mut kite] {
        assert!(matches!(client.next().await, Event::NewSpectatorJoined { .. }));
    }
    kite.client.leave_spectator().expect("watching");
    assert!(matches!(
        kite.next().await,
        Event::SpectatorLeft {
            reason: Some(Reason::VoluntaryLeave),
            ..
        }
    ));
    for client in [&mut mira, &mut otto] {
        assert!(matches!(
            client.next().await,
            Event::SpectatorDisconnected {
                reason: Some(Reason::VoluntaryLeave),
                ..
            }
        ));
    }
    drop(wren);
    for client in [&mut mira, &mut otto] {
        assert!(matches!(
            client.next().await,
            Event::SpectatorDisconnected {
                reason: Some(Reason::Disconnected),
                ..
            }
        ));
    }
    kite.client.shutdown().await;
    otto.left().await;
    mira.left().await;
    server.stop();
}

#[test]
fn a_gallery_sees_what_the_room_sees() {
    run(watch_a_room(1));
}

#[test]
fn a_gallery_sees_what_the_room_sees_across_shards() {
    run(watch_a_room(4));
}

#[test]
fn authority_moves_by_release_and_claim() {
    run(async {
        let server = Server::start(2);
        let (mut mira, mut otto, _) = room_of_two(&server).await;

        otto.client.request_authority(true).expect("seated");
        let refused = otto.next_even_refused().await;
        assert!(
            matches!(
                refused,
                Event::AuthorityResponse {
                    granted: false,
                    error_code: Some(ErrorCode::AuthorityConflict),
                    ..
                }
            ),
            "{refused:?}"
        );
        mira.client.request_authority(false).expect("seated");
        assert!(matches!(
            mira.next().await,
            Event::AuthorityResponse { granted: true, .. }
        ));
        for client in [&mut mira, &mut otto] {
            assert!(matches!(
                client.next().await,
                Event::AuthorityChanged {
                    authority_player: None,
                    you_are_authority: false
                }
            ));
        }
        otto.client.request_authority(true).expect("seated");
        assert!(matches!(
            otto.next().await,
            Event::AuthorityResponse { granted: true, .. }
        ));
        assert!(matches!(
            otto.next().await,
            Event::AuthorityChanged {
                you_are_authority: true,
                ..
            }
        ));
        assert!(matches!(
            mira.next().await,
            Event::AuthorityChanged {
                you_are_authority: false,
                ..
            }
        ));
        otto.left().await;
        mira.left().await;
        server.stop();
    });
}

#[test]
fn refusals_name_their_code_and_leave_the_client_usable() {
    run(async {
        let server = Server::start(2);
        let (mut mira, mut otto, code) = room_of_two(&server).await;
        let mut rook = Published::authenticated(&server, None).await;
        for (params, expected) in [
            (named("Rook").with_room_code(&code), ErrorCode::RoomFull),
            (named("OTTO").with_room_code(&code), ErrorCode::RoomCreationFailed),
            (named(" Rook"), ErrorCode::InvalidPlayerName),
            (named("Rook").with_room_code("?"), ErrorCode::InvalidRoomCode),
            (named("Rook").with_max_players(101), ErrorCode::InvalidMaxPlayers),
        ] {
            rook.client.join_room(params).expect("a free client");
            let refused = rook.next_even_refused().await;
            assert!(
                matches!(&refused, Event::RoomJoinFailed { error_code: Some(code), .. } if *code == expected),
                "{expected:?}: {refused:?}"
            );
        }

        // A seat given up is free again, and the same client may take it twice.
        otto.client.leave_room().expect("seated");
        assert!(matches!(otto.next().await, Event::RoomLeft));
        assert!(matches!(mira.next().await, Event::PlayerLeft { .. }));
        for _ in 0..2 {
            rook.seated(named("Rook").with_room_code(&code)).await;
            assert!(matches!(mira.next().await, Event::PlayerJoined { .. }));
            rook.client.leave_room().expect("seated");
            assert!(matches!(rook.next().await, Event::RoomLeft));
            assert!(matches!(mira.next().await, Event::PlayerLeft { .. }));
        }
        mira.client.start_game().expect("seated");
        let refused = mira.next_even_refused().await;
        assert!(
            matches!(
                refused,
                Event::Error {
                    error_code: Some(ErrorCode::GameStartNotReady),
                    ..
                }
            ),
            "{refused:?}"
        );
        for mut client in [rook, otto] {
            client.client.shutdown().await;
        }
        mira.left().await;
        server.stop();
    });
}
