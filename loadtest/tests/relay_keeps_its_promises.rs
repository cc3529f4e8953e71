//! The relay of these tests, when it makes no mistake, keeps the promises of version 3: the published client enforces them
//! and is content.

mod relay;

use std::time::Duration;

use relay::Fault;
use serde_json::json;
use signal_fish_client::protocol::{DeliveryGapReason, PlayerId};
use signal_fish_client::{
    GameDataDelivery, JoinRoomParams, SignalFishClient, SignalFishConfig, SignalFishEvent as Event, WebSocketTransport,
};
use tokio::sync::mpsc::Receiver;

const DEADLINE: Duration = Duration::from_secs(20);
const MESSAGES: u64 = 400;

struct Published {
    client: SignalFishClient,
    events: Receiver<Event>,
}

impl Published {
    async fn enter(url: &str) -> Self {
        let transport = WebSocketTransport::connect(url).await.expect("an upgrade");
        let (client, events) = SignalFishClient::start(transport, SignalFishConfig::new("loadtest").enable_v3());
        let mut this = Self { client, events };
        this.until(|event| matches!(event, Event::ProtocolInfo(_))).await;
        this
    }

    /// The next event, which is no complaint.
    async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(DEADLINE, self.events.recv());
        let event = event
            .await
            .expect("an event before the deadline")
            .expect("the client goes on");
        let complaint = matches!(
            event,
            Event::DecodeFailed { .. } | Event::ProtocolViolation { .. } | Event::Disconnected { .. }
        );
        assert!(!complaint, "{event:?}");
        event
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    async fn join(&mut self, params: JoinRoomParams) -> Event {
        self.client.join_room(params).expect("a free client");
        self.until(|event| matches!(event, Event::RoomJoined { .. })).await
    }

    /// Says all of it in turns of the three classes, and a last word.
    async fn talk(&mut self) {
        for number in 0..MESSAGES {
            let delivery = match number % 4 {
                0 | 1 => GameDataDelivery::Latest {
                    key: (number % 3) as u32,
                },
                2 => GameDataDelivery::Volatile,
                _ if number % 12 == 3 => GameDataDelivery::Reliable,
                _ => GameDataDelivery::Volatile,
            };
            let said = self
                .client
                .send_game_data_with_delivery_reliable(json!({"number": number}), delivery);
            said.await.expect("a connection");
        }
        let said = self.client.send_game_data_reliable(json!("over"));
        said.await.expect("a connection");
    }

    /// Hears `from` out; returns how many messages came, and which reasons were given for the others with how many.
    async fn listen(&mut self, from: PlayerId) -> (u64, [u64; 3]) {
        let (mut heard, mut missed) = (0, [0; 3]);
        loop {
            match self.next().await {
                Event::GameData { from_player, data, .. } if from_player == from => {
                    if data == "over" {
                        return (heard, missed);
                    }
                    heard += 1;
                }
                Event::DeliveryReport(report) => {
                    for gap in report.gaps {
                        missed[match gap.reason {
                            DeliveryGapReason::LatestSuperseded => 0,
                            DeliveryGapReason::LatestDroppedFull => 1,
                            DeliveryGapReason::VolatileDropped => 2,
                            other => panic!("unexpected reason {other:?}"),
                        }] += gap.to_seq - gap.from_seq + 1;
                    }
                }
                _ => {}
            }
        }
    }
}

async fn classes_returns_and_spectators(fault: Fault) {
    let url = format!("ws://{}/v3/ws", relay::start(fault));
    let (mut mira, mut otto, mut kite) = (
        Published::enter(&url).await,
        Published::enter(&url).await,
        Published::enter(&url).await,
    );
    let Event::RoomJoined {
        room_code,
        player_id: mira_id,
        ..
    } = mira.join(JoinRoomParams::new("tide-pool", "Mira")).await
    else {
        unreachable!("that was waited for");
    };
    let joined = otto.join(JoinRoomParams::new("tide-pool", "Otto").with_room_code(&room_code));
    let Event::RoomJoined {
        player_id: otto_id,
        room_id,
        reconnection_token,
        ..
    } = joined.await
    else {
        unreachable!("that was waited for");
    };
    let watching = kite
        .client
        .join_as_spectator("tide-pool".to_owned(), room_code, "Kite".to_owned());
    watching.expect("a free client");
    kite.until(|event| matches!(event, Event::SpectatorJoined { .. })).await;

    let (_, heard_by_otto, heard_by_kite) = tokio::join!(mira.talk(), otto.listen(mira_id), kite.listen(mira_id));
    for (heard, missed) in [heard_by_otto, heard_by_kite] {
        assert_eq!(heard + missed.iter().sum::<u64>(), MESSAGES);
        assert!(
            missed.iter().all(|&count| count > 0),
            "every reason is given: {missed:?}"
        );
    }

    drop(otto);
    let left = mira.until(|event| matches!(event, Event::PlayerLeft { .. })).await;
    assert!(
        matches!(left, Event::PlayerLeft { player_id, final_seq: Some(0), .. } if player_id == otto_id),
        "{left:?}"
    );
    let mut otto = Published::enter(&url).await;
    let token = reconnection_token.expect("a token");
    otto.client.reconnect(otto_id, room_id, token).expect("a free client");
    let back = otto.until(|event| matches!(event, Event::Reconnected { .. })).await;
    assert!(
        matches!(&back, Event::Reconnected { current_players, .. }
            if current_players.iter().any(|player| player.id == mira_id && player.seq == Some(MESSAGES + 1))),
        "{back:?}"
    );
    let (_, (heard, missed)) = tokio::join!(mira.talk(), otto.listen(mira_id));
    assert_eq!(heard + missed.iter().sum::<u64>(), MESSAGES);
}

fn play_against(fault: Fault) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .expect("a runtime")
        .block_on(classes_returns_and_spectators(fault));
}

#[test]
fn the_published_client_is_content_on_version_3() {
    play_against(Fault::None);
}

#[test]
#[should_panic(expected = "ProtocolViolation")]
fn the_published_client_complains_of_a_report_that_comes_late() {
    play_against(Fault::ReportTooLate);
}
