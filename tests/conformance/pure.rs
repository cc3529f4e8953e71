//! The stage in memory: shards without sockets, a virtual clock, a schedule from a seed.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use signal_fish_relay::config::{Config, MetricsConfig};
use signal_fish_relay::control::{AdminParts, AdminToken, ControlPlane, LiveCheck, PlaneParts};
use signal_fish_relay::net::http::{Answer, Site};
use signal_fish_relay::net::{Channel, Clock, FrontDesk, Guest, Socket};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::server::{admission_limits, dashboard, shard_settings, site};
use signal_fish_relay::session::ClientAddress;
use signal_fish_relay::shard::{ShardId, SourceRule, World};

use super::stage::Stage;
use crate::harness::{Client, Frame, Game, Opcode, Setup};

/// How many of the last things that were said a failure shows.
const SHOWN_LINES: usize = 12;

/// Shards and clients in memory.
pub struct PureStage {
    game: Game,
    drain_grace_ms: u64,
    site: Arc<Site>,
    clients: BTreeMap<String, Client>,
}

impl PureStage {
    /// Shards with this configuration, and the schedule of this seed.
    pub fn new(config: &Config, shards: u16, seed: u64) -> Self {
        let setup = Setup {
            seed,
            shards,
            settings: shard_settings(config).expect("a valid configuration"),
            limits: admission_limits(config),
            ..Setup::default()
        };
        let game = Game::new(setup);
        let site = Arc::new(site(config, Arc::clone(&game.machine().world)));
        Self {
            drain_grace_ms: config.server.drain_grace_secs * 1_000,
            game,
            site,
            clients: BTreeMap::new(),
        }
    }

    /// What somebody is answered for whom the control plane has no place.
    pub fn crowd_out(&mut self) -> String {
        let now = self.game.machine().now();
        let address = ClientAddress::own(Ipv4Addr::LOCALHOST.into());
        String::from_utf8(self.site.crowded_out(address, now)).expect("text")
    }

    /// What the shards share.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.game.machine().world)
    }

    /// Has a request answered by a control plane without shards, over a real socket.
    fn ask_the_control_plane(&self, request: &str) -> Vec<u8> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let mut ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
        let (theirs, peer) = listener.accept().expect("connected above");
        theirs.set_nonblocking(true).expect("a socket");
        let plane = ControlPlane::start(PlaneParts {
            site: Arc::clone(&self.site),
            peers: Arc::from([]),
            max_connections: 16,
            sources: SourceRule::DEFAULT,
            operators: None,
            greeter: None,
            dashboard: dashboard(&MetricsConfig::default()),
            region: String::new(),
            check: LiveCheck::default(),
            admin: AdminParts {
                token: AdminToken::default(),
                is_private: true,
                may_preview: false,
                random: || Ok([7; 32]),
            },
            clock: Clock::start(),
            feed: None,
            webhooks: Arc::default(),
            prepare_thread: || {},
        })
        .expect("a thread");
        let guest = Guest {
            channel: Channel::plain(Socket::from(OwnedFd::from(theirs))),
            address: ClientAddress::own(peer.ip()),
            client: ClientAddress::own(peer.ip()),
            fingerprint: None,
            received: Bytes::copy_from_slice(request.as_bytes()),
            shard: ShardId(0),
        };
        plane.desk().take(guest).expect("an empty line");
        ours.shutdown(Shutdown::Write).expect("connected");
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).expect("an answer");
        plane.stop();
        answer
    }

    fn client(&self, name: &str) -> &Client {
        self.clients.get(name).expect("the play keeps to who is connected")
    }
}

impl Stage for PureStage {
    fn connect(&mut self, name: &str, endpoint: ProtocolVersion) {
        let client = self.game.connect_by(name, None, endpoint);
        self.clients.insert(name.to_owned(), client);
        self.game.settle();
    }

    fn request(&mut self, request: &str) -> String {
        let now = self.game.machine().now();
        let answer = match self.site.answer(
            request.as_bytes(),
            ClientAddress::own(Ipv4Addr::LOCALHOST.into()),
            &self.site.world.access.newest().1,
            [7; 16],
            now,
        ) {
            Answer::Wait => Vec::new(),
            Answer::Close(answer) | Answer::Upgrade { response: answer, .. } => answer,
            Answer::Elsewhere { .. } => self.ask_the_control_plane(request),
        };
        String::from_utf8(answer).expect("answers are text")
    }

    fn send(&mut self, name: &str, opcode: Opcode, payload: &[u8]) {
        let client = self.client(name);
        let text = String::from_utf8_lossy(&payload[..payload.len().min(300)]).into_owned();
        self.game.machine().note(format!("{name} > {opcode:?} {text}"));
        if opcode == Opcode::Close {
            let mut machine = self.game.machine();
            let machine = &mut *machine;
            machine.peers[client.id.0].send_close(payload, &mut machine.schedule);
        } else {
            client.sends_frame(opcode, true, payload);
        }
    }

    fn send_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.client(name).sends_bytes(bytes);
    }

    fn settle(&mut self, _name: &str) {
        self.game.settle();
    }

    fn next(&mut self, name: &str) -> Option<Frame> {
        self.game.settle();
        let id = self.client(name).id;
        self.game.machine().peers[id.0].received.pop_front()
    }

    fn rest(&mut self, name: &str) -> Vec<Frame> {
        let mut rest = self.client(name).takes_all();
        rest.retain(|frame| !matches!(frame, Frame::Ping(_)));
        rest
    }

    fn has_ended(&mut self, name: &str) -> bool {
        let id = self.client(name).id;
        self.game.machine().peers[id.0].is_at_end()
    }

    fn vanish(&mut self, name: &str, loses_what_was_sent: bool) {
        let client = self.client(name);
        if loses_what_was_sent {
            client.vanishes();
        } else {
            client.finishes();
        }
        self.game.settle();
    }

    fn set_reading(&mut self, name: &str, reads: bool) {
        self.client(name).reads(reads);
    }

    fn set_answering(&mut self, name: &str, answers: bool) {
        self.client(name).answers(answers);
    }

    fn wait(&mut self, wait_ms: u64) {
        self.game.advance_ms(wait_ms);
    }

    fn drain(&mut self) {
        self.game.settle();
        self.game.machine().drain(self.drain_grace_ms);
    }

    fn close_all(&mut self) {
        self.game.machine().close_all();
    }

    fn close_all_within(&mut self, span_ms: u64) {
        self.game.machine().dismiss_within(span_ms);
    }

    fn report(&mut self) -> String {
        let machine = self.game.machine();
        let said = machine.said();
        let lines = said[said.len().saturating_sub(SHOWN_LINES)..].iter();
        let lines: Vec<String> = lines.map(|line| line.chars().take(300).collect()).collect();
        format!(
            "  seed {}; last was said:\n    {}",
            machine.seed(),
            lines.join("\n    ")
        )
    }
}
