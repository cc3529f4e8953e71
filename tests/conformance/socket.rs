//! The stage on sockets: a real server on a port of its own.
//!
//! Nothing sleeps to synchronise. Whether a request has been served is asked with a transport ping behind it, whose pong
//! comes in order; whether nothing more is on its way, by asking everybody.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ProtocolVersion;

use super::stage::Stage;
use crate::harness::{Frame, MASK, Opcode, client_frame, take_server_frame};
use crate::support::DEADLINE;
use crate::support::server::Server;
use crate::support::wire::UPGRADE;

/// Shards of the server.
const SHARDS: usize = 2;

/// A server, and the connections to it.
pub struct SocketStage {
    /// Dropped before the server, which would wait for their half of the closing handshake.
    clients: BTreeMap<String, Connection>,
    server: Server,
    asked: u64,
}

struct Connection {
    stream: TcpStream,
    unread: VecDeque<u8>,
    received: VecDeque<Frame>,
    /// Whether a close frame was sent, or came.
    is_closing: bool,
    saw_close: bool,
    has_ended: bool,
}

impl SocketStage {
    /// A server with this configuration.
    pub fn new(config: &Config) -> Self {
        let config = config.clone();
        let server = Server::with(SHARDS, |given| {
            let (port, shards, grace) = (given.port, given.runtime.shards, given.server.drain_grace_secs);
            *given = config;
            (given.port, given.runtime.shards, given.server.drain_grace_secs) = (port, shards, grace);
        });
        Self {
            server,
            clients: BTreeMap::new(),
            asked: 0,
        }
    }

    fn client(&mut self, name: &str) -> &mut Connection {
        self.clients.get_mut(name).expect("the play keeps to who is connected")
    }

    /// Waits until the server has served what this client sent, or has ended the connection.
    fn ask(&mut self, name: &str) {
        self.asked += 1;
        let question = self.asked.to_be_bytes();
        let client = self.client(name);
        if client.is_closing {
            client.read_to_the_end();
            return;
        }
        client.send(Opcode::Ping, &question);
        while !client.has_ended && !client.saw_close {
            if client.received.back() == Some(&Frame::Pong(question.to_vec())) {
                client.received.pop_back();
                return;
            }
            client.read_frame();
        }
        client.read_to_the_end();
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
    stream.set_nodelay(true).expect("an option of every socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("a timeout above zero");
    stream
}

impl Connection {
    fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.is_closing |= opcode == Opcode::Close;
        self.send_bytes(&client_frame(opcode, true, payload, MASK));
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        // A server that has closed in the meantime shows at the next read.
        let _ = self.stream.write_all(bytes);
    }

    /// Takes one frame more into what was received.
    fn read_frame(&mut self) {
        while !self.has_ended {
            if let Some(frame) = take_server_frame(&mut self.unread) {
                assert!(!self.saw_close, "a frame came after the close frame: {frame:?}");
                match &frame {
                    Frame::Ping(payload) => {
                        let payload = payload.clone();
                        self.send(Opcode::Pong, &payload);
                    }
                    Frame::Close(code, reason) => {
                        self.saw_close = true;
                        if !self.is_closing {
                            let payload =
                                code.map_or_else(Vec::new, |code| crate::harness::close_payload(code, reason));
                            self.send(Opcode::Close, &payload);
                        }
                    }
                    _ => {}
                }
                self.received.push_back(frame);
                return;
            }
            let mut buffer = [0; 64 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => self.has_ended = true,
                Ok(count) => self.unread.extend(&buffer[..count]),
            }
        }
    }

    fn read_to_the_end(&mut self) {
        while !self.has_ended {
            self.read_frame();
        }
    }
}

impl Stage for SocketStage {
    fn connect(&mut self, name: &str, endpoint: ProtocolVersion) {
        let mut client = Connection {
            stream: open(self.server.address()),
            unread: VecDeque::new(),
            received: VecDeque::new(),
            is_closing: false,
            saw_close: false,
            has_ended: false,
        };
        let path = format!("/v{}/ws", endpoint.number());
        client.send_bytes(UPGRADE.replace("/v2/ws", &path).as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.stream.read_exact(&mut byte).expect("the server answers");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        self.clients.insert(name.to_owned(), client);
    }

    fn request(&mut self, request: &str) -> String {
        let mut stream = open(self.server.address());
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("the server answers") == 1 {
            answer.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        if !request.starts_with("HEAD ") {
            stream.read_exact(&mut body).expect("the server answers");
            answer.extend(body);
        }
        String::from_utf8(answer).expect("answers are text")
    }

    fn send(&mut self, name: &str, opcode: Opcode, payload: &[u8]) {
        self.client(name).send(opcode, payload);
    }

    fn send_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.client(name).send_bytes(bytes);
    }

    fn settle(&mut self, name: &str) {
        self.ask(name);
    }

    fn next(&mut self, name: &str) -> Option<Frame> {
        let client = self.client(name);
        if client.received.is_empty() {
            client.read_frame();
        }
        client.received.pop_front()
    }

    fn rest(&mut self, name: &str) -> Vec<Frame> {
        let names: Vec<String> = self.clients.keys().cloned().collect();
        for other in &names {
            self.ask(other);
        }
        // What the others were served may have reached this one after its own answer.
        self.ask(name);
        let mut rest: Vec<Frame> = self.client(name).received.drain(..).collect();
        rest.retain(|frame| !matches!(frame, Frame::Ping(_)));
        rest
    }

    fn has_ended(&mut self, name: &str) -> bool {
        let client = self.client(name);
        if client.is_closing {
            client.read_to_the_end();
        }
        client.has_ended
    }

    fn vanish(&mut self, name: &str, _loses_what_was_sent: bool) {
        let client = self.clients.remove(name).expect("the play keeps to who is connected");
        let ended = |server: &Server| server.count(|shard| &shard.disconnections);
        let before = ended(&self.server);
        client.stream.shutdown(Shutdown::Both).expect("connected");
        // Nobody need be told of it, so nothing else shows that the server has noticed.
        let deadline = Instant::now() + DEADLINE;
        while ended(&self.server) == before {
            assert!(
                Instant::now() < deadline,
                "the server does not notice that {name} is gone"
            );
            std::thread::yield_now();
        }
    }

    fn set_reading(&mut self, _name: &str, _reads: bool) {
        unreachable!("only in memory, see the script's mark");
    }

    fn set_answering(&mut self, _name: &str, _answers: bool) {
        unreachable!("only in memory, see the script's mark");
    }

    fn wait(&mut self, wait_ms: u64) {
        std::thread::sleep(Duration::from_millis(wait_ms));
    }

    fn drain(&mut self) {
        unreachable!("only in memory, see the script's mark");
    }

    fn close_all(&mut self) {
        unreachable!("only in memory, see the script's mark");
    }

    fn close_all_within(&mut self, _span_ms: u64) {
        unreachable!("only in memory, see the script's mark");
    }

    fn report(&mut self) -> String {
        "  on a socket".to_owned()
    }
}
