//! The published client connects its players to each other by the server's plans, over a WebRTC stack that is played here:
//! offers, answers and candidates travel as in a real one, the data channels do not. The client judges every plan and every
//! signal by its own idea of the protocol; a violation ends the test.

use std::collections::{BTreeSet, VecDeque};
use std::task::{Context, Poll};

use signal_fish_client::protocol::{PlayerId, Topology};
use signal_fish_client::{
    DriverEvent, IceServer, JoinRoomParams, MeshController, MeshEvent, PeerSignal, SessionGeneration, SignalFishConfig,
    SignalFishError, SignalFishEvent as Event, Transport, TransportCloseInfo, TransportFrame, WebRtcDriver,
    WebSocketTransport,
};
use tokio::time::timeout;

use crate::support::DEADLINE;
use crate::support::player::APP_ID;
use crate::support::published::{check, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

/// A WebRTC stack without a network: two sides are connected once the offer was answered and candidates were exchanged.
#[derive(Default)]
struct Stack {
    output: VecDeque<DriverEvent>,
    offers: usize,
    ice_urls: Vec<String>,
}

impl Stack {
    fn say(&mut self, peer: PlayerId, generation: Option<SessionGeneration>, signal: PeerSignal) {
        self.output.push_back(DriverEvent::Signal {
            peer,
            generation,
            signal,
        });
    }
}

/// The stack of one player, which the test can look at while the client drives it.
#[derive(Clone, Default)]
struct Shared(std::sync::Arc<std::sync::Mutex<Stack>>);

impl Shared {
    fn stack(&self) -> std::sync::MutexGuard<'_, Stack> {
        self.0.lock().expect("nothing panics under the lock")
    }
}

impl WebRtcDriver for Shared {
    fn set_ice_servers(&mut self, servers: &[IceServer]) {
        self.stack().ice_urls = servers.iter().flat_map(|server| server.urls.clone()).collect();
    }

    fn connect(&mut self, peer: PlayerId, generation: Option<SessionGeneration>, initiate: bool) {
        if initiate {
            let mut stack = self.stack();
            stack.offers += 1;
            stack.say(peer, generation, PeerSignal::Offer("v=0\r\n".into()));
            stack.say(peer, generation, PeerSignal::IceCandidate("candidate:1".into()));
        }
    }

    fn on_signal(&mut self, peer: PlayerId, generation: Option<SessionGeneration>, signal: PeerSignal) {
        let mut stack = self.stack();
        match signal {
            PeerSignal::Offer(_) => {
                stack.say(peer, generation, PeerSignal::Answer("v=0\r\n".into()));
                stack.say(peer, generation, PeerSignal::IceCandidate("candidate:2".into()));
            }
            PeerSignal::Answer(_) => {}
            PeerSignal::IceCandidate(_) => stack.output.push_back(DriverEvent::Connected { peer, generation }),
        }
    }

    fn send(&mut self, _: PlayerId, _: &[u8]) {}

    fn disconnect(&mut self, peer: PlayerId) {
        self.stack().output.retain(|event| match event {
            DriverEvent::Signal { peer: other, .. }
            | DriverEvent::Connected { peer: other, .. }
            | DriverEvent::Disconnected { peer: other, .. }
            | DriverEvent::Data { peer: other, .. } => *other != peer,
        });
    }

    fn poll(&mut self) -> Option<DriverEvent> {
        self.stack().output.pop_front()
    }
}

/// A socket whose client does not ask for ids of room requests.
struct WithoutIds(WebSocketTransport);

impl Transport for WithoutIds {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frame: &mut Option<TransportFrame>,
    ) -> Poll<Result<(), SignalFishError>> {
        if let Some(TransportFrame::Text(text)) = frame {
            *text = text.replace(
                r#""requested_capabilities":["room_operation_ids"]"#,
                r#""requested_capabilities":[]"#,
            );
        }
        self.0.poll_send(cx, frame)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<TransportFrame, SignalFishError>>> {
        self.0.poll_recv(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SignalFishError>> {
        self.0.poll_close(cx)
    }

    fn abort(&mut self) {
        self.0.abort();
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn close_info(&self) -> Option<TransportCloseInfo> {
        self.0.close_info()
    }
}

/// One player with its session and its stack.
struct Peer {
    mesh: MeshController<Shared>,
    stack: Shared,
    id: PlayerId,
    connected: BTreeSet<PlayerId>,
    reports: usize,
}

impl Peer {
    async fn seated(server: &Server, name: &str, code: Option<&str>) -> (Self, String) {
        let transport = WebSocketTransport::connect(&server.url()).await.expect("an upgrade");
        let stack = Shared::default();
        let config = SignalFishConfig::new(APP_ID).enable_mesh();
        let mut this = Self {
            mesh: MeshController::start(WithoutIds(transport), config, stack.clone()),
            stack,
            id: PlayerId::nil(),
            connected: BTreeSet::new(),
            reports: 0,
        };
        this.until(|event| matches!(event, Event::ProtocolInfo(_))).await;
        let params = JoinRoomParams::new(GAME, name);
        this.mesh
            .join_room(match code {
                Some(code) => params.with_room_code(code),
                None => params,
            })
            .expect("a free client");
        let Event::RoomJoined {
            room_code, player_id, ..
        } = this.until(|event| matches!(event, Event::RoomJoined { .. })).await
        else {
            unreachable!("asked for above")
        };
        this.id = player_id;
        (this, room_code)
    }

    /// Goes on for one event of the server, if it is one.
    async fn next(&mut self) -> Option<Event> {
        let event = timeout(DEADLINE, self.mesh.recv())
            .await
            .expect("an event before the deadline")
            .expect("the client goes on");
        match event {
            MeshEvent::Signaling(event) => {
                check(&event);
                self.reports += usize::from(matches!(*event, Event::PeerTransportStatus { .. }));
                return Some(*event);
            }
            MeshEvent::PeerConnected(peer) => drop(self.connected.insert(peer)),
            MeshEvent::PeerDisconnected(peer) => drop(self.connected.remove(&peer)),
            MeshEvent::Data { .. } => unreachable!("the stack carries none"),
        }
        None
    }

    async fn until(&mut self, mut is_wanted: impl FnMut(&Event) -> bool) -> Event {
        loop {
            if let Some(event) = self.next().await
                && is_wanted(&event)
            {
                return event;
            }
        }
    }

    async fn until_connected_to<const N: usize>(&mut self, peers: [PlayerId; N]) {
        let wanted = BTreeSet::from(peers);
        while !wanted.is_subset(&self.connected) {
            self.next().await;
        }
    }

    /// Goes on until the server has told of so many connections of others.
    async fn until_told_of(&mut self, reports: usize) {
        while self.reports < reports {
            self.next().await;
        }
    }
}

/// A started game of three.
async fn game_of_three(server: &Server) -> [Peer; 3] {
    let (mut mira, code) = Peer::seated(server, "Mira", None).await;
    let (mut otto, _) = Peer::seated(server, "Otto", Some(&code)).await;
    let (mut kite, _) = Peer::seated(server, "Kite", Some(&code)).await;
    for peer in [&mut mira, &mut otto, &mut kite] {
        peer.mesh.set_ready().expect("seated");
    }
    mira.until(|event| matches!(event, Event::LobbyStateChanged { all_ready: true, .. }))
        .await;
    mira.mesh.start_game().expect("the authority");
    [mira, otto, kite]
}

async fn connect_everybody(shards: usize) {
    let server = Server::start(shards);
    let [mut mira, mut otto, mut kite] = game_of_three(&server).await;
    let (m, o, k) = (mira.id, otto.id, kite.id);
    tokio::join!(
        mira.until_connected_to([o, k]),
        otto.until_connected_to([m, k]),
        kite.until_connected_to([m, o]),
    );
    let generation = mira.mesh.session().generation();
    assert!(generation.is_some());
    for peer in [&mira, &otto, &kite] {
        let session = peer.mesh.session();
        assert_eq!(
            (session.topology(), session.generation()),
            (Some(Topology::Mesh), generation)
        );
        assert_eq!(peer.stack.stack().ice_urls, ["stun:stun.l.google.com:19302"]);
    }
    let offers: usize = [&mira, &otto, &kite].map(|peer| peer.stack.stack().offers).iter().sum();
    assert_eq!(offers, 3, "one for each pair");
    // Each says once that it is connected to somebody, and the two others are told.
    tokio::join!(mira.until_told_of(2), otto.until_told_of(2), kite.until_told_of(2));
    assert_eq!(server.refused_in_all(), 0);
    assert_eq!(
        server.count(|counters| &counters.signals_relayed),
        12,
        "four for each pair"
    );
    assert_eq!(server.count(|counters| &counters.status_fanout), 3);
    for peer in [mira, otto, kite] {
        assert_eq!(peer.mesh.client().stats().messages_undecodable, 0);
        peer.mesh.shutdown().await;
    }
    server.stop();
}

#[test]
fn three_players_connect_to_each_other_on_one_shard() {
    run(connect_everybody(1));
}

#[test]
fn three_players_connect_to_each_other_on_eight_shards() {
    run(connect_everybody(8));
}

#[test]
fn the_next_player_hosts_when_the_host_leaves() {
    run(async {
        let server = Server::with(8, |config| {
            config.session.default_topology = signal_fish_relay::config::Topology::Host;
        });
        let [mut mira, mut otto, mut kite] = game_of_three(&server).await;
        let (m, o, k) = (mira.id, otto.id, kite.id);
        tokio::join!(
            mira.until_connected_to([o, k]),
            otto.until_connected_to([m]),
            kite.until_connected_to([m]),
        );
        assert_eq!(kite.mesh.session().host(), Some(m));
        mira.mesh.shutdown().await;
        tokio::join!(otto.until_connected_to([k]), kite.until_connected_to([o]));
        assert_eq!(
            (kite.mesh.session().host(), otto.mesh.session().host()),
            (Some(o), Some(o))
        );
        assert_eq!(server.count(|counters| &counters.session_replans), 1);

        // The last one hosts alone.
        otto.mesh.shutdown().await;
        kite.until(
            |event| matches!(event, Event::SessionPlan { host, peers, .. } if *host == Some(k) && peers.is_empty()),
        )
        .await;
        kite.mesh.shutdown().await;
        server.stop();
    });
}
