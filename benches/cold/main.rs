//! What a lonely message costs: a whole turn of the loop that serves one message of one of 2,000 rooms of 4, each time of
//! another, after the kernel's own code has had the caches. Only the turns are measured; between them a byte goes through a
//! pair of sockets on the loopback, as between any two wake-ups of a server. Beside it the same turn hot: the same room,
//! with nothing between.
//!
//! `cargo bench --bench cold`; figures are per message of three deliveries, system calls not counted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use signal_fish_relay::config::Config;
use signal_fish_relay::net::{Channel, Mail, NoDesk, Pump, PumpParts, PumpSettings, TurnWindows};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::server::site;
use signal_fish_relay::session::{Arrival, ClientAddress};
use signal_fish_relay::shard::{InboxLimits, Shard, ShardId, Wake, inbox};

use self::kernel::{Wire, Wires, Wiring};

mod kernel;
#[path = "../rig/mod.rs"]
mod rig;

const ROOMS: usize = 2_000;
const MEMBERS: usize = 4;

struct NoSleep;

impl Wake for NoSleep {
    fn wake(&self) {}
}

/// A text message as a client sends it, under a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A shard's loop with all its rooms.
struct Rig {
    pump: Pump<Wiring>,
    wires: Rc<Wires>,
    message: Vec<u8>,
    /// A pair of real sockets, for what the kernel does to the caches.
    one: TcpStream,
    other: TcpStream,
}

impl Rig {
    fn new(version: ProtocolVersion) -> Self {
        let world = rig::world(1);
        let wires = Rc::new(Wires::default());
        wires.mono_ms.set(rig::NOW.mono_ms);
        let limits = InboxLimits { bulk: 16, reserve: 16 };
        let (sender, inbox) = inbox::<Mail<Wire>>(limits, Box::new(NoSleep));
        let mut pump = Pump::new(PumpParts {
            shard: Shard::new(ShardId(0), Arc::clone(&world), [7; 32], rig::NOW),
            kernel: Wiring(Rc::clone(&wires)),
            site: Arc::new(site(&Config::default(), world)),
            desk: Arc::new(NoDesk),
            greeter: None,
            inbox,
            peers: vec![sender].into(),
            settings: PumpSettings {
                tick: Duration::from_millis(10),
                turn_windows: TurnWindows::NEVER,
                standstill: Duration::from_secs(3_600),
                upgrade_timeout: Duration::from_secs(10),
                max_pending_upgrades: 64,
                max_farewells: 64,
                drain_grace: Duration::ZERO,
                drain_spread: Duration::ZERO,
                flush_timeout: Duration::ZERO,
            },
        });
        let arrival = Arrival {
            request_id: uuid::Uuid::nil(),
            address: ClientAddress::own(Ipv4Addr::LOCALHOST.into()),
            endpoint: version,
            binding: None,
            certificate: None,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let one = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
        let (other, _) = listener.accept().expect("connected above");
        one.set_nodelay(true).expect("a TCP socket");
        for number in 0..ROOMS * MEMBERS {
            let wire = Wire {
                number,
                wires: Rc::clone(&wires),
            };
            pump.admit(Channel::plain(wire), arrival, &mut [], rig::NOW);
        }
        let mut made = Self {
            pump,
            wires,
            message: frame(&format!(
                r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#,
                "x".repeat(62)
            )),
            one,
            other,
        };
        for number in 0..ROOMS * MEMBERS {
            let code = format!("R{:05}", number / MEMBERS);
            made.say(number, &frame(&rig::join_request(number % MEMBERS, &code)));
        }
        assert_eq!(made.pump.shard().rooms(), ROOMS);
        made
    }

    /// One turn, in which one connection has said something.
    fn say(&mut self, number: usize, bytes: &[u8]) {
        self.wires.arriving.borrow_mut().extend_from_slice(bytes);
        self.wires.ready.set(Some(self.wires.watched.borrow()[number]));
        self.pump.turn().expect("this kernel never fails");
    }

    fn measure(&mut self, number: usize) -> Duration {
        self.wires.arriving.borrow_mut().extend_from_slice(&self.message);
        self.wires.ready.set(Some(self.wires.watched.borrow()[number]));
        let begun = Instant::now();
        self.pump.turn().expect("this kernel never fails");
        begun.elapsed()
    }

    /// The kernel sends something and receives it.
    fn disturb(&mut self) {
        let mut byte = [0];
        self.one.write_all(&byte).expect("room for a byte");
        self.other.read_exact(&mut byte).expect("sent above");
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a lonely message");
    for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
        let mut rig = Rig::new(version);
        let before = rig.wires.sends.get();
        rig.measure(0);
        assert_eq!(rig.wires.sends.get() - before, MEMBERS as u64 - 1);
        // A stride without a factor in common: each connection once before any comes again, never two neighbours.
        let mut number = 0;
        group.bench_function(format!("cold, version {}", version.number()), |bencher| {
            bencher.iter_custom(|count| {
                (0..count)
                    .map(|_| {
                        rig.disturb();
                        number = (number + 3_001) % (ROOMS * MEMBERS);
                        rig.measure(number)
                    })
                    .sum()
            });
        });
        group.bench_function(format!("hot, version {}", version.number()), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| rig.measure(0)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
