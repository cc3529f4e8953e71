//! The yardstick serves the generator without a loss, on both backends, and the published client on its happy path.

mod program;

use std::future::Future;
use std::time::Duration;

use program::{Yardstick, execute, given_time};
use serde_json::{Value, json};
use signal_fish_client::{
    JoinRoomParams, SignalFishClient, SignalFishConfig, SignalFishEvent as Event, WebSocketTransport,
};
use tokio::sync::mpsc::Receiver;

const DEADLINE: Duration = Duration::from_secs(20);

fn drive(yardstick: &Yardstick, seconds: f64, more: &[&str]) -> Value {
    let counters = format!("http://{}/metrics/prom", yardstick.address);
    let url = yardstick.url();
    let load = [
        "run",
        "--url",
        &url,
        "--server-counters",
        &counters,
        "--rooms",
        "3",
        "--players",
        "4",
    ];
    let (output, report) = execute(
        &[
            &load[..],
            &["--seconds", &seconds.to_string(), "--warmup-seconds", "0"],
            more,
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    report
}

#[test]
fn the_generator_balances_against_both_backends() {
    let rate = &["--rate", "100"][..];
    let packed = &["--closed-loop", "4", "--encoding", "message-pack"][..];
    let large = &["--rate", "20", "--size", "60000"][..];
    for (arguments, loads) in [
        (&["--backend", "epoll"][..], &[rate, packed, large][..]),
        (&["--backend", "ring"], &[rate, packed, large]),
        (&["--backend", "epoll", "--quantum-us", "1000"], &[rate]),
        (&["--backend", "ring", "--quantum-us", "1000"], &[rate]),
    ] {
        let yardstick = Yardstick::start(arguments);
        for more in loads {
            given_time(|longer| {
                let report = drive(&yardstick, 0.3 * longer, more);
                assert_eq!(report["ledger"]["balanced"], true, "{arguments:?} {more:?}: {report}");
                // The counters may have been read for the first time when all was over.
                match report["traffic"]["server_sends_per_delivery"].as_f64() {
                    Some(sends) if sends > 0.0 => Ok(()),
                    _ => Err(format!("{arguments:?} {more:?}: no sends in {report}")),
                }
            });
        }
        let last_words = yardstick.stop();
        assert!(last_words.contains("kernel entries"), "{last_words}");
    }
}

struct Published {
    client: SignalFishClient,
    events: Receiver<Event>,
}

impl Published {
    async fn enter(yardstick: &Yardstick) -> Self {
        let transport = WebSocketTransport::connect(&yardstick.url()).await.expect("an upgrade");
        let (client, events) = SignalFishClient::start(transport, SignalFishConfig::new("loadtest"));
        let mut this = Self { client, events };
        assert!(matches!(this.next().await, Event::Connected));
        assert!(matches!(this.next().await, Event::Authenticated { .. }));
        assert!(matches!(this.next().await, Event::ProtocolInfo(_)));
        this
    }

    async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(DEADLINE, self.events.recv());
        event
            .await
            .expect("an event before the deadline")
            .expect("the client goes on")
    }
}

fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(scenario);
}

async fn create_join_talk_and_leave(yardstick: &Yardstick) {
    let mut mira = Published::enter(yardstick).await;
    let mut otto = Published::enter(yardstick).await;
    mira.client
        .join_room(JoinRoomParams::new("tide-pool", "Mira"))
        .expect("a free client");
    let joined = mira.next().await;
    let Event::RoomJoined {
        room_code,
        player_id: mira_id,
        ..
    } = joined
    else {
        panic!("{joined:?}");
    };
    let lobby = mira.next().await;
    assert!(matches!(lobby, Event::LobbyStateChanged { .. }), "{lobby:?}");
    otto.client
        .join_room(JoinRoomParams::new("tide-pool", "Otto").with_room_code(&room_code))
        .expect("a free client");
    let joined = otto.next().await;
    let Event::RoomJoined {
        player_id: otto_id,
        current_players,
        ..
    } = joined
    else {
        panic!("{joined:?}");
    };
    assert_eq!(current_players.len(), 2);
    let news = mira.next().await;
    assert!(
        matches!(&news, Event::PlayerJoined { player } if player.id == otto_id),
        "{news:?}"
    );

    let said = json!({"op": "move", "x": 12, "note": "\u{1f41f}"});
    mira.client.send_game_data(said.clone()).expect("room in the queue");
    let heard = otto.next().await;
    assert!(
        matches!(&heard, Event::GameData { from_player, data, .. } if *from_player == mira_id && *data == said),
        "{heard:?}"
    );

    mira.client.leave_room().expect("seated");
    let left = mira.next().await;
    assert!(matches!(left, Event::RoomLeft), "{left:?}");
    let news = otto.next().await;
    assert!(
        matches!(&news, Event::PlayerLeft { player_id, .. } if *player_id == mira_id),
        "{news:?}"
    );
    let news = otto.next().await;
    assert!(
        matches!(
            news,
            Event::AuthorityChanged {
                authority_player: None,
                ..
            }
        ),
        "{news:?}"
    );
    for client in [&mut mira, &mut otto] {
        assert_eq!(client.client.stats().messages_undecodable, 0);
        client.client.shutdown().await;
    }
}

#[test]
fn the_published_client_plays_on_both_backends() {
    for backend in ["epoll", "ring"] {
        let yardstick = Yardstick::start(&["--backend", backend]);
        run(create_join_talk_and_leave(&yardstick));
        yardstick.stop();
    }
}

#[test]
fn the_backend_that_serves_is_named() {
    for backend in ["epoll", "ring"] {
        let yardstick = Yardstick::start(&["--backend", backend]);
        assert_eq!(yardstick.backend, format!("({backend})"));
    }
}
