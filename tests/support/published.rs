//! The client that games use, as published, with its own idea of the protocol: a violation ends the test.

use std::future::Future;

use signal_fish_client::protocol::{GameDataEncoding, PlayerId};
use signal_fish_client::{
    JoinRoomParams, SignalFishClient, SignalFishConfig, SignalFishEvent as Event, WebSocketTransport,
};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::DEADLINE;
use super::player::APP_ID;
use super::server::Server;

/// A published client and what it has to tell.
pub struct Published {
    pub client: SignalFishClient,
    events: Receiver<Event>,
}

impl Published {
    pub async fn authenticated(server: &Server, format: Option<GameDataEncoding>) -> Self {
        Self::configured(server, format, SignalFishConfig::new(APP_ID)).await
    }

    /// On version 3, over the relay alone.
    pub async fn on_version_3(server: &Server) -> Self {
        Self::configured(server, None, SignalFishConfig::new(APP_ID).enable_v3()).await
    }

    async fn configured(server: &Server, format: Option<GameDataEncoding>, mut config: SignalFishConfig) -> Self {
        let transport = WebSocketTransport::connect(&server.url()).await.expect("an upgrade");
        config.game_data_format = format;
        Self::authenticated_over(transport, config).await
    }

    /// Authenticates over a connection that is there.
    pub async fn authenticated_over(transport: WebSocketTransport, config: SignalFishConfig) -> Self {
        let format = config.game_data_format;
        let (client, events) = SignalFishClient::start(transport, config);
        let mut this = Self { client, events };
        assert!(matches!(this.next().await, Event::Connected));
        assert!(matches!(this.next().await, Event::Authenticated { .. }));
        assert!(matches!(this.next().await, Event::ProtocolInfo(_)));
        let wanted = format.unwrap_or(GameDataEncoding::Json);
        assert_eq!(this.client.effective_game_data_format(), Some(wanted));
        this
    }

    /// The next event, which must be one that a sound server causes and no refusal.
    pub async fn next(&mut self) -> Event {
        let event = self.next_even_refused().await;
        check(&event);
        event
    }

    /// The next event, perhaps a refusal that the test provoked.
    pub async fn next_even_refused(&mut self) -> Event {
        timeout(DEADLINE, self.events.recv())
            .await
            .expect("an event before the deadline")
            .expect("the client goes on")
    }

    /// Creates or joins a room; returns its code and this player's id.
    pub async fn seated(&mut self, params: JoinRoomParams) -> (String, PlayerId) {
        self.client.join_room(params).expect("a free client");
        match self.next().await {
            Event::RoomJoined {
                room_code, player_id, ..
            } => (room_code, player_id),
            other => panic!("no seat: {other:?}"),
        }
    }

    pub async fn left(mut self) {
        self.client.leave_room().expect("seated");
        // What the others did a moment before may still come first.
        while !matches!(self.next().await, Event::RoomLeft) {}
        assert_eq!(self.client.stats().messages_undecodable, 0);
        self.client.shutdown().await;
    }
}

/// Ends the test on everything that a sound server never causes.
pub fn check(event: &Event) {
    match event {
        Event::ProtocolViolation { kind, diagnostic } => panic!("a protocol violation ({kind:?}): {diagnostic}"),
        Event::DecodeFailed { error, raw_prefix, .. } => panic!("undecodable ({error}): {raw_prefix}"),
        Event::Error { message, error_code } => panic!("an error ({error_code:?}): {message}"),
        Event::RoomJoinFailed { reason, error_code } => panic!("no seat ({error_code:?}): {reason}"),
        Event::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
        _ => {}
    }
}

pub fn run(scenario: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scenario);
}
