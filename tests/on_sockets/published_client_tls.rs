//! The published client with its feature `tls`, and the authority of the test in place of the web's: it plays, and its
//! proofs name the certificate that it has shown.

use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::json;
use signal_fish_client::protocol::GameDataEncoding;
use signal_fish_client::{
    JoinRoomParams, SignalFishConfig, SignalFishEvent as Event, TokenBindingMode, TokenBindingStatus,
    WebSocketConnectOptions, WebSocketTransport,
};
use signal_fish_relay::config::{ClientAuth, Config};

use crate::support::player::APP_ID;
use crate::support::published::{Published, run};
use crate::support::server::Server;
use crate::support::tls::{Authority, V1_2, V1_3};

const GAME: &str = "tide-pool";

fn server(authority: &Authority, shards: usize, change: impl FnOnce(&mut Config)) -> Server {
    let identity = authority.server("server");
    Server::with(shards, |config| {
        identity.serve(config);
        change(config);
    })
}

fn url(server: &Server) -> String {
    format!("wss://{}/v3/ws", server.address())
}

async fn published(server: &Server, client: &Arc<ClientConfig>, options: WebSocketConnectOptions) -> Published {
    let bound = options.token_binding == TokenBindingMode::Required;
    let transport = WebSocketTransport::connect_with_tls_config(&url(server), options, Arc::clone(client)).await;
    let transport = transport.expect("an upgrade");
    let wanted = if bound {
        TokenBindingStatus::Active
    } else {
        TokenBindingStatus::Disabled
    };
    assert_eq!(transport.token_binding_status(), wanted);
    let mut config = SignalFishConfig::new(APP_ID);
    config.game_data_format = Some(GameDataEncoding::MessagePack);
    Published::authenticated_over(transport, config).await
}

/// Two meet, and hear each other.
async fn play(mut host: Published, mut guest: Published) {
    let (code, _) = host.seated(JoinRoomParams::new(GAME, "Host")).await;
    assert!(matches!(host.next().await, Event::LobbyStateChanged { .. }));
    guest
        .seated(JoinRoomParams::new(GAME, "Guest").with_room_code(&code))
        .await;
    assert!(matches!(host.next().await, Event::PlayerJoined { .. }));
    for number in 0..20 {
        let sent = json!({"number": number, "padding": "x".repeat(number * 1_000)});
        guest.client.send_game_data(sent.clone()).expect("seated");
        match host.next().await {
            Event::GameData { data, .. } => assert_eq!(data, sent),
            other => panic!("game data was expected: {other:?}"),
        }
        guest
            .client
            .send_binary_game_data(vec![0xc0; number * 100 + 1])
            .expect("seated");
        match host.next().await {
            Event::GameDataBinary { payload, .. } => assert_eq!(payload, vec![0xc0; number * 100 + 1]),
            other => panic!("binary game data was expected: {other:?}"),
        }
    }
    guest.left().await;
    assert!(matches!(host.next().await, Event::PlayerLeft { .. }));
    host.left().await;
}

#[test]
fn it_plays_over_both_versions_wherever_its_room_lives() {
    run(async {
        let authority = Authority::new("published");
        for (shards, versions) in [(2, &V1_2), (8, &V1_3)] {
            let server = server(&authority, shards, |_| {});
            let client = authority.client_of(versions, None);
            for _ in 0..4 {
                let host = published(&server, &client, WebSocketConnectOptions::default()).await;
                let guest = published(&server, &client, WebSocketConnectOptions::default()).await;
                play(host, guest).await;
            }
        }
    });
}

#[test]
fn its_proofs_name_the_certificate_that_it_has_shown() {
    run(async {
        let authority = Authority::new("published and bound");
        let server = server(&authority, 2, |config| {
            let transport = &mut config.security.transport;
            transport.tls.client_auth = ClientAuth::Require;
            transport.tls.client_ca_cert_path = Some(authority.path());
            transport.token_binding.enabled = true;
            transport.token_binding.required = true;
            transport.token_binding.require_client_fingerprint = true;
        });
        let mira = authority.sign("mira", &["mira"], 2_100);
        let otto = authority.sign("otto", &["otto"], 2_100);
        for versions in [&V1_2, &V1_3] {
            let options = || WebSocketConnectOptions::default().with_token_binding(TokenBindingMode::Required);
            let host = published(&server, &authority.client_of(versions, Some(&mira)), options()).await;
            let guest = published(&server, &authority.client_of(versions, Some(&otto)), options()).await;
            play(host, guest).await;
        }
    });
}

#[test]
fn it_believes_no_server_whose_authority_it_does_not_know() {
    run(async {
        let authority = Authority::new("unknown");
        let server = server(&authority, 1, |_| {});
        assert!(WebSocketTransport::connect(&url(&server)).await.is_err());
        let stranger = Authority::new("another");
        let options = WebSocketConnectOptions::default();
        let refused = WebSocketTransport::connect_with_tls_config(&url(&server), options, stranger.client()).await;
        assert!(refused.is_err());
    });
}
