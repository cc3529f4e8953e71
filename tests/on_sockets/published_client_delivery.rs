//! The published client as a slow reader on version 3: it is not asked for a while, so that its socket fills, and misses what
//! its sender said may be left out. It keeps its own strict account of every hole; here it is checked besides that what it
//! received and what it was told of are together exactly what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::json;
use signal_fish_client::protocol::DeliveryGapReason;
use signal_fish_client::{
    JoinRoomParams, SignalFishConfig, SignalFishEvent as Event, SignalFishPollingClient, WebSocketTransport,
};

use crate::support::DEADLINE;
use crate::support::player::APP_ID;
use crate::support::published::{Published, check, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

/// Bytes of each message: the kernel holds some megabytes of a connection that is not read.
const PADDING_BYTES: usize = 40_000;

/// What the sender says after the flood.
const LAST_WORDS: &str = "the end";

/// A client that is asked now and then, and what it has to tell.
struct Sluggard {
    client: SignalFishPollingClient<WebSocketTransport>,
    events: Vec<Event>,
}

impl Sluggard {
    async fn connect(server: &Server) -> Self {
        let transport = WebSocketTransport::connect(&server.url()).await.expect("an upgrade");
        Self {
            client: SignalFishPollingClient::new(transport, SignalFishConfig::new(APP_ID).enable_v3()),
            events: Vec::new(),
        }
    }

    /// Asks until something has been told.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let fresh = self.client.poll();
            let is_there = fresh.iter().any(&wanted);
            fresh.iter().for_each(check);
            self.events.extend(fresh);
            if is_there {
                return;
            }
            assert!(Instant::now() < deadline, "it was not told in time");
            tokio::task::yield_now().await;
        }
    }
}

async fn play(shards: usize) {
    let server = Server::with(shards, |config| {
        config.websocket.socket_send_buffer_bytes = 16_384;
        config.websocket.send_queue_capacity = 16;
        config.runtime.outbox_max_bytes = Some(8 << 20);
        // It takes nothing for as long as the flood lasts, which on a slow machine is a while.
        config.websocket.slow_consumer_timeout_ms = 29_000;
        config.server.ping_timeout = 60;
        config.websocket.server_ping_interval_secs = 0;
    });
    let mut sender = Published::on_version_3(&server).await;
    let (code, sender_id) = sender.seated(JoinRoomParams::new(GAME, "Mira")).await;
    let mut sluggard = Sluggard::connect(&server).await;
    sluggard.until(|event| matches!(event, Event::ProtocolInfo(_))).await;
    let params = JoinRoomParams::new(GAME, "Otto").with_room_code(&code);
    sluggard.client.join_room(params).expect("a free client");
    sluggard.until(|event| matches!(event, Event::RoomJoined { .. })).await;

    let mut said = 0;
    let padding = "x".repeat(PADDING_BYTES);
    let deadline = Instant::now() + DEADLINE;
    let missed = || {
        let of = |counter: fn(&signal_fish_relay::shard::CounterSet) -> &signal_fish_relay::shard::Counter| {
            server.count(counter)
        };
        [
            of(|shard| &shard.volatile_dropped),
            of(|shard| &shard.latest_superseded),
            of(|shard| &shard.latest_dropped),
        ]
    };
    while missed().contains(&0) {
        assert!(Instant::now() < deadline, "nothing was left out: {:?}", missed());
        said += 1;
        let data = json!({"n": said, "padding": padding});
        // Many keys: some find the queue full of others.
        let delivery = match said % 3 {
            0 => signal_fish_client::GameDataDelivery::Volatile,
            1 => signal_fish_client::GameDataDelivery::Latest { key: said % 40 },
            _ => signal_fish_client::GameDataDelivery::Latest { key: 7 },
        };
        while sender
            .client
            .send_game_data_with_delivery(data.clone(), delivery)
            .is_err()
        {
            tokio::task::yield_now().await; // its own queue is full
        }
        tokio::task::yield_now().await;
    }
    said += 1;
    while sender.client.send_game_data(json!(LAST_WORDS)).is_err() {
        tokio::task::yield_now().await;
    }
    sluggard
        .until(|event| matches!(event, Event::GameData { data, .. } if data == LAST_WORDS))
        .await;

    let mut accounted = BTreeSet::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut classes = BTreeSet::new();
    let mut account = |seq: u64| assert!(accounted.insert(seq), "{seq} twice");
    for event in &sluggard.events {
        match event {
            Event::GameData {
                from_player,
                seq,
                class,
                data,
                ..
            } => {
                assert_eq!(*from_player, sender_id);
                let seq = seq.expect("version 3 numbers everything");
                if data != LAST_WORDS {
                    assert_eq!(data["n"], seq, "what it received is what was sent under that number");
                    classes.extend(class.map(|class| format!("{class:?}")));
                }
                account(seq);
            }
            Event::DeliveryReport(report) => {
                for gap in &report.gaps {
                    (gap.from_seq..=gap.to_seq).for_each(&mut account);
                    *reasons.entry(format!("{:?}", gap.reason)).or_default() += gap.to_seq - gap.from_seq + 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(
        accounted,
        (1..=u64::from(said)).collect(),
        "received and reported is what was sent"
    );
    assert!(classes.contains("Latest"), "{classes:?}");
    for reason in [
        DeliveryGapReason::VolatileDropped,
        DeliveryGapReason::LatestSuperseded,
        DeliveryGapReason::LatestDroppedFull,
    ] {
        assert!(reasons.contains_key(&format!("{reason:?}")), "{reasons:?}");
    }
    assert_eq!(sluggard.client.stats().messages_undecodable, 0);
    sender.left().await;
}

#[test]
fn what_it_missed_it_is_told_exactly_on_one_shard() {
    run(play(1));
}

#[test]
fn what_it_missed_it_is_told_exactly_on_eight() {
    run(play(8));
}
