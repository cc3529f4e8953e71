//! The flavour of the published client for engines that ask once per frame, through everything that version 2 offers:
//! rooms, readiness, start, authority, data in both encodings, spectators, refusals, leaving and joining again. Every event
//! is typed, and a violation of the protocol ends the test.

use std::collections::VecDeque;

use serde_json::json;
use signal_fish_client::error_codes::ErrorCode;
use signal_fish_client::protocol::{ConnectionInfo, GameDataEncoding, PlayerId, SpectatorStateChangeReason as Reason};
use signal_fish_client::{
    JoinRoomParams, SignalFishConfig, SignalFishEvent as Event, SignalFishPollingClient, WebSocketTransport,
};
use tokio::time::timeout;

use crate::support::DEADLINE;
use crate::support::player::{APP_ID, Player};
use crate::support::published::{check, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

type Client = SignalFishPollingClient<WebSocketTransport>;

/// Clients of one engine: all are polled once per frame, and frames leave when they are.
struct Engine {
    clients: Vec<(Client, VecDeque<Event>)>,
}

impl Engine {
    /// Clients with these formats, authenticated.
    async fn with(server: &Server, formats: &[GameDataEncoding]) -> Self {
        let mut engine = Self { clients: Vec::new() };
        for (index, format) in formats.iter().enumerate() {
            let transport = WebSocketTransport::connect(&server.url()).await.expect("an upgrade");
            let mut config = SignalFishConfig::new(APP_ID);
            config.game_data_format = Some(*format);
            let client = SignalFishPollingClient::new(transport, config);
            engine.clients.push((client, VecDeque::new()));
            assert!(matches!(engine.next(index).await, Event::Connected));
            assert!(matches!(engine.next(index).await, Event::Authenticated { .. }));
            assert!(matches!(engine.next(index).await, Event::ProtocolInfo(_)));
            assert_eq!(engine.client(index).effective_game_data_format(), Some(*format));
        }
        engine
    }

    fn client(&mut self, index: usize) -> &mut Client {
        &mut self.clients[index].0
    }

    /// A client's next event, perhaps a refusal that the test provoked.
    async fn next_even_refused(&mut self, index: usize) -> Event {
        let polled = async {
            while self.clients[index].1.is_empty() {
                for (client, events) in &mut self.clients {
                    events.extend(client.poll());
                }
                // Lets the runtime look at the sockets; the clients themselves never wait.
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, polled).await.expect("an event before the deadline");
        self.clients[index].1.pop_front().expect("not empty")
    }

    /// A client's next event, which must be one that a sound server causes and no refusal.
    async fn next(&mut self, index: usize) -> Event {
        let event = self.next_even_refused(index).await;
        check(&event);
        event
    }

    async fn seated(&mut self, index: usize, params: JoinRoomParams) -> (String, PlayerId) {
        self.client(index).join_room(params).expect("a free client");
        match self.next(index).await {
            Event::RoomJoined {
                room_code, player_id, ..
            } => (room_code, player_id),
            other => panic!("no seat: {other:?}"),
        }
    }

    /// Nobody could not read something.
    fn all_was_understood(&mut self) {
        for (client, _) in &mut self.clients {
            assert_eq!(client.stats().messages_undecodable, 0);
        }
    }
}

/// Asserts a client's next event.
macro_rules! next {
    ($engine:expr, $index:expr, $pattern:pat $(if $guard:expr)?) => {
        let event = $engine.next_even_refused($index).await;
        assert!(matches!(&event, $pattern $(if $guard)?), "{}: {event:?}", $index);
    };
}

const MIRA: usize = 0;
const OTTO: usize = 1;
const KITE: usize = 2;

async fn play_everything(shards: usize) {
    let server = Server::start(shards);
    let (json, packed) = (GameDataEncoding::Json, GameDataEncoding::MessagePack);
    let mut engine = Engine::with(&server, &[json, packed, json]).await;

    // Rooms, and a spectator.
    let (code, mira) = engine
        .seated(MIRA, JoinRoomParams::new(GAME, "Mira").with_max_players(3))
        .await;
    next!(engine, MIRA, Event::LobbyStateChanged { all_ready: false, .. });
    let (_, otto) = engine
        .seated(OTTO, JoinRoomParams::new(GAME, "Otto").with_room_code(&code))
        .await;
    next!(engine, MIRA, Event::PlayerJoined { player } if player.id == otto);
    engine
        .client(KITE)
        .join_as_spectator(GAME.into(), code.clone(), "Kite".into())
        .expect("a free client");
    next!(engine, KITE, Event::SpectatorJoined { current_players, .. } if current_players.len() == 2);
    for index in [MIRA, OTTO] {
        next!(engine, index, Event::NewSpectatorJoined { .. });
    }

    // Refusals, with their codes, and nothing else happens.
    engine
        .client(KITE)
        .set_ready()
        .expect_err("the client itself knows that a spectator has no seat");
    engine.client(OTTO).request_authority(true).expect("seated");
    next!(
        engine,
        OTTO,
        Event::AuthorityResponse {
            granted: false,
            error_code: Some(ErrorCode::AuthorityConflict),
            ..
        }
    );
    engine.client(MIRA).start_game().expect("seated");
    next!(
        engine,
        MIRA,
        Event::Error {
            error_code: Some(ErrorCode::GameStartNotReady),
            ..
        }
    );
    engine.client(MIRA).ping().expect("connected");
    next!(engine, MIRA, Event::Pong);

    // Authority, by release and claim.
    engine.client(MIRA).request_authority(false).expect("seated");
    next!(engine, MIRA, Event::AuthorityResponse { granted: true, .. });
    for index in [MIRA, OTTO, KITE] {
        next!(
            engine,
            index,
            Event::AuthorityChanged {
                authority_player: None,
                you_are_authority: false
            }
        );
    }
    engine.client(OTTO).request_authority(true).expect("seated");
    next!(engine, OTTO, Event::AuthorityResponse { granted: true, .. });
    next!(
        engine,
        OTTO,
        Event::AuthorityChanged {
            you_are_authority: true,
            ..
        }
    );
    for index in [MIRA, KITE] {
        next!(engine, index, Event::AuthorityChanged { authority_player: Some(player), .. } if *player == otto);
    }

    // Readiness, connection info, start.
    let info = ConnectionInfo::Direct {
        host: "192.0.2.44".into(),
        port: 7100,
    };
    engine.client(MIRA).provide_connection_info(info).expect("seated");
    for (index, ready) in [(MIRA, false), (OTTO, true)] {
        engine.client(index).set_ready().expect("seated");
        for seen_by in [MIRA, OTTO, KITE] {
            next!(engine, seen_by, Event::LobbyStateChanged { all_ready, .. } if *all_ready == ready);
        }
    }
    engine.client(OTTO).start_game().expect("the authority");
    for index in [MIRA, OTTO, KITE] {
        next!(engine, index, Event::GameStarting { peer_connections }
            if peer_connections.iter().any(|peer| peer.player_id == mira && peer.connection_info.is_some()));
    }

    // Data in both encodings. On version 2 the client sends no binary data, so a plain player does.
    engine
        .client(MIRA)
        .send_game_data(json!({"tide": 1}))
        .expect("room in the queue");
    engine
        .client(OTTO)
        .send_game_data(json!({"tide": 2}))
        .expect("room in the queue");
    next!(engine, OTTO, Event::GameData { from_player, data, .. } if *from_player == mira && data["tide"] == 1);
    next!(engine, MIRA, Event::GameData { from_player, data, .. } if *from_player == otto && data["tide"] == 2);
    for _ in 0..2 {
        next!(engine, KITE, Event::GameData { .. });
    }
    let mut plain = Player::authenticated_for(&server, "message_pack");
    plain.join(GAME, "Plain", &code);
    for index in [MIRA, OTTO, KITE] {
        next!(engine, index, Event::PlayerJoined { .. });
    }
    let payload = rmp_serde::to_vec(&json!({"tide": 3})).expect("MessagePack");
    plain.send_binary(&payload);
    next!(engine, OTTO, Event::GameDataBinary { payload: heard, encoding: GameDataEncoding::MessagePack, .. } if *heard == payload);
    for index in [MIRA, KITE] {
        next!(engine, index, Event::GameData { data, .. } if data["tide"] == 3);
    }
    drop(plain);
    for index in [MIRA, OTTO, KITE] {
        next!(engine, index, Event::PlayerLeft { .. });
    }

    // Leaving and joining again, on the same connection and under the same id; then the gallery.
    engine.client(OTTO).leave_room().expect("seated");
    next!(engine, OTTO, Event::RoomLeft);
    for index in [MIRA, KITE] {
        next!(engine, index, Event::PlayerLeft { player_id, .. } if *player_id == otto);
        next!(
            engine,
            index,
            Event::AuthorityChanged {
                authority_player: None,
                ..
            }
        );
    }
    engine
        .client(OTTO)
        .join_room(JoinRoomParams::new(GAME, "Mira").with_room_code(&code))
        .expect("a free client");
    next!(
        engine,
        OTTO,
        Event::RoomJoinFailed {
            error_code: Some(ErrorCode::RoomCreationFailed),
            ..
        }
    );
    let (_, again) = engine
        .seated(OTTO, JoinRoomParams::new(GAME, "Otto").with_room_code(&code))
        .await;
    assert_eq!(again, otto);
    for index in [MIRA, KITE] {
        next!(engine, index, Event::PlayerJoined { .. });
    }
    engine.client(KITE).leave_spectator().expect("watching");
    next!(
        engine,
        KITE,
        Event::SpectatorLeft {
            reason: Some(Reason::VoluntaryLeave),
            ..
        }
    );
    for index in [MIRA, OTTO] {
        next!(
            engine,
            index,
            Event::SpectatorDisconnected {
                reason: Some(Reason::VoluntaryLeave),
                ..
            }
        );
    }
    engine.client(MIRA).leave_room().expect("seated");
    next!(engine, MIRA, Event::RoomLeft);
    next!(engine, OTTO, Event::PlayerLeft { player_id, .. } if *player_id == mira);
    engine.all_was_understood();
}

#[test]
fn plays_everything_when_it_is_polled() {
    run(play_everything(1));
}

#[test]
fn plays_everything_when_it_is_polled_across_shards() {
    run(play_everything(4));
}
