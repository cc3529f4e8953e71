//! Measures the longest single step while what the process counts grows to 200,000 entries: a connection, a room and a
//! handshake in the admission ledger, and a connection of a shard, which takes a place in its table, its deadlines and the
//! process-wide presence. A map that grows as a whole shows here as a step of milliseconds, in which every other shard
//! waits for its lock.
//!
//! `cargo bench --bench growth -- --rounds 5`. What is measured is CPU time, so that nothing else that the machine does is in
//! it but interrupts; of the rounds the least counts.

mod rig;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use signal_fish_relay::protocol::{AppId, ProtocolVersion};
use signal_fish_relay::session::ClientAddress;
use signal_fish_relay::shard::SourceRule;
use signal_fish_relay::shard::admission::{AdmissionLedger, AdmissionLimits};

#[derive(Parser)]
struct Flags {
    /// How often everything grows anew
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Entries in the end
    #[arg(long, default_value_t = 200_000)]
    entries: u32,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Grows something to so many entries and says what each took.
type Grow = fn(u32) -> Vec<Duration>;

fn main() {
    let Flags { rounds, entries, .. } = Flags::parse();
    let steps: [(&str, Grow); 4] = [
        ("a connection in the ledger", connections),
        ("a room in the ledger", rooms),
        ("a handshake in the ledger", handshakes),
        ("a connection of a shard", shard),
    ];
    for (what, grow) in steps {
        let mut longest: Vec<Duration> = Vec::new();
        let mut median = Duration::MAX;
        for _ in 0..rounds {
            let mut times = grow(entries);
            times.sort_unstable();
            median = median.min(times[times.len() / 2]);
            longest.extend(times.last());
        }
        longest.sort_unstable();
        println!(
            "{what}: {entries} times, median {} ns, longest {} µs (least of {rounds} rounds; most {} µs)",
            median.as_nanos(),
            longest[0].as_micros(),
            longest[rounds - 1].as_micros()
        );
    }
}

fn ledger() -> Arc<AdmissionLedger> {
    AdmissionLedger::new(AdmissionLimits {
        connections: usize::MAX,
        connections_per_address: 64,
        sources: SourceRule::DEFAULT,
        failed_joins: None,
        failed_joins_window_ms: 60_000,
        rooms: usize::MAX,
        rooms_per_game: 64,
    })
}

fn address(number: u32) -> ClientAddress {
    ClientAddress::own(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to this frame, and the kernel fills the whole structure.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every thread has such a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What each step took.
fn timed<T>(entries: u32, mut step: impl FnMut(u32) -> T) -> Vec<Duration> {
    let (mut kept, mut times): (Vec<T>, Vec<Duration>) = (
        Vec::with_capacity(entries as usize),
        Vec::with_capacity(entries as usize),
    );
    for number in 0..entries {
        let before = cpu_time();
        let held = step(number);
        times.push(cpu_time() - before);
        kept.push(held);
    }
    times
}

fn connections(entries: u32) -> Vec<Duration> {
    let ledger = ledger();
    timed(entries, |number| {
        ledger.admit_connection(address(number)).expect("within the limits")
    })
}

fn rooms(entries: u32) -> Vec<Duration> {
    let ledger = ledger();
    let games: Vec<_> = (0..entries).map(|number| format!("game {number}")).collect();
    timed(entries, |number| {
        ledger
            .admit_room(&games[number as usize], None)
            .expect("within the limits")
    })
}

fn handshakes(entries: u32) -> Vec<Duration> {
    let (ledger, app) = (ledger(), AppId::new("studio"));
    // The address of every other one has been there a moment ago, so that both its count and the window grow.
    timed(entries, |number| {
        assert!(ledger.admit_handshake(&app, address(number / 2), entries, u64::from(number / 8)));
    })
}

fn shard(entries: u32) -> Vec<Duration> {
    let world = rig::world(1);
    let mut shard = rig::shard(&world, 0);
    timed(entries, |_| rig::connect(&mut shard, ProtocolVersion::V3))
}
