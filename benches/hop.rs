//! Measures the hop: how long a player waits from `JoinRoom` to `RoomJoined` when its connection moves to another shard, and
//! when it does not, under traffic both ways and with bytes pipelined behind the request. Fails when anything is lost,
//! repeated or reordered on the way. The time on the way alone, from the one shard's handing over to the other's taking in, is
//! the server's own count.
//!
//! `cargo bench --bench hop -- --hops 20000`. Two shards, the commuters and the hosts share the CPUs of the machine, so the
//! figures tell the two kinds of join apart rather than what an idle server can do.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use clap::Parser;

use support::hopping::{Plan, run};

#[derive(Parser)]
struct Flags {
    /// Moves between shards, all hoppers together
    #[arg(long, default_value_t = 20_000)]
    hops: u64,
    /// Connections that move between shards
    #[arg(long, default_value_t = 4)]
    hoppers: u64,
    /// Connections that move between rooms of one shard
    #[arg(long, default_value_t = 4)]
    stayers: u64,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let flags = Flags::parse();
    let plan = Plan {
        hoppers: flags.hoppers,
        stayers: flags.stayers,
        moves: flags.hops.div_ceil(flags.hoppers),
    };
    let started = Instant::now();
    let report = run(plan);
    assert_eq!(
        report.hops,
        plan.hoppers * plan.moves,
        "every move of a hopper is a hop"
    );
    println!(
        "{} hops and {} messages in {:.1} s: nothing lost, repeated or reordered",
        report.hops,
        report.messages,
        started.elapsed().as_secs_f64()
    );
    println!(
        "on the way between shards: {:.1} µs on average",
        report.transit.as_secs_f64() * 1e6 / report.hops as f64
    );
    print_times("joins on another shard", report.hopping_joins);
    print_times("joins on the same shard", report.staying_joins);
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else { return };
    let at = |share: f64| times[(last as f64 * share) as usize].as_micros();
    println!(
        "{what}: {} timed, median {} µs, p99 {} µs, longest {} µs",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
