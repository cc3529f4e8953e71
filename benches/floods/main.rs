//! Measures what the server's promises are worth beside those who flood it: how long players of other rooms wait, and how
//! much memory peers who never read can take.
//!
//! `cargo bench --bench floods -- --server target/release/signal-fish-relay --server OTHER --seconds 3` runs every flood
//! against each server in turn and prints tables with a column for each; `--bulk` has a host send 64 MB to a room instead.
//! The server's one shard has a CPU of its own and so has the generator, which tells what both of them had of theirs. A
//! wait begins when a player sends and ends when the kernel has the message at the other player's socket, by its own stamp.

mod attack;
mod bulk;
mod calm;
mod flow;
mod memory;
#[path = "../../tests/support/mod.rs"]
mod support;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use attack::{ATTACKS, Attack, Field};
use calm::Company;
use clap::Parser;
use flow::Switch;
use memory::{CAP_BYTES, KINDS, PEERS};
use target::{CpuTime, Place, Target, stay_on};

#[derive(Parser)]
struct Flags {
    /// Program of a server; again for each further one
    #[arg(long, default_value = env!("CARGO_BIN_EXE_signal-fish-relay"))]
    server: Vec<PathBuf>,
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Runs of each, of which the medians are shown
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only floods whose name has this in it
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    #[arg(long, default_value_t = 1)]
    generator_cpu: usize,
    /// Niceness of the servers; below 0, which takes privileges, others of this machine disturb them less
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    niceness: i32,
    /// A host that sends so many megabytes to a room of readers of every kind, instead of the tables
    #[arg(long, num_args = 0..=1, default_missing_value = "64")]
    bulk: Option<usize>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Flags {
    fn place(&self) -> Place {
        Place {
            cpu: self.server_cpu,
            niceness: self.niceness,
        }
    }
}

fn main() {
    let flags = Flags::parse();
    let time = Duration::from_secs(flags.seconds);
    // Programs are started with a CPU of their own.
    stay_on(flags.generator_cpu);
    target::raise_descriptor_limit();
    if let Some(megabytes) = flags.bulk {
        for program in &flags.server {
            println!("## {}", program.display());
            bulk::run(&Target::start(program, flags.place()), megabytes, time);
        }
        return;
    }
    let columns: Vec<_> = flags
        .server
        .iter()
        .map(|program| program.display().to_string())
        .collect();
    let head = |what: &str| {
        format!(
            "| {what} | {} |\n|---|{}",
            columns.join(" | "),
            "---|".repeat(columns.len())
        )
    };
    let rows = |names: Vec<&'static str>, cell: &dyn Fn(&str, &Path) -> String| {
        for name in names.into_iter().filter(|name| name.contains(&flags.only)) {
            let cells: Vec<_> = flags.server.iter().map(|program| cell(name, program)).collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
    };

    println!("{}", head("other rooms' waits beside: p99 / worst, ms"));
    rows(ATTACKS.iter().map(|(name, _)| *name).collect(), &|name, program| {
        let (_, attack) = ATTACKS
            .into_iter()
            .find(|(known, _)| *known == name)
            .expect("a name of ours");
        let mut reports: Vec<_> = (0..flags.rounds)
            .map(|_| flooded(program, &flags, attack, time))
            .collect();
        let mut median = |of: fn(&Report) -> f64| {
            reports.sort_by(|one, other| of(one).total_cmp(&of(other)));
            of(&reports[reports.len() / 2])
        };
        let (p99, worst) = (median(|report| report.p99_ms), median(|report| report.worst_ms));
        let report = &reports[reports.len() / 2];
        eprintln!(
            "{name}: server {:.0} % of its CPU and {:.0} % waiting for it; generator {:.0} %",
            report.server_percent.0, report.server_percent.1, report.generator_percent
        );
        format!("{p99:.1} / {worst:.1}{}", report.remarks)
    });

    println!(
        "\n{}",
        head("resident memory for 8 who never read: most above the start, MiB")
    );
    rows(KINDS.iter().map(|(name, _)| *name).collect(), &|name, program| {
        let (_, kind) = KINDS
            .into_iter()
            .find(|(known, _)| *known == name)
            .expect("a name of ours");
        let mut held: Vec<_> = (0..flags.rounds)
            .map(|_| memory::most_held(program, flags.place(), kind, time))
            .collect();
        held.sort_unstable();
        format!("{:.1}", held[held.len() / 2] as f64 / f64::from(1 << 20))
    });
    let sum = (PEERS * CAP_BYTES) >> 20;
    println!(
        "| sum of the caps of their outboxes |{}",
        format!(" {sum} |").repeat(columns.len())
    );
}

/// What one run showed.
struct Report {
    p99_ms: f64,
    worst_ms: f64,
    remarks: String,
    /// Of its CPU: had, and lacked.
    server_percent: (f64, f64),
    generator_percent: f64,
}

fn flooded(program: &Path, flags: &Flags, attack: Attack, time: Duration) -> Report {
    let target = Target::start(program, flags.place());
    let mut calm = Company::in_calm_rooms(target.address);
    let field = Field {
        address: target.address,
        is_set: Barrier::new(2),
        switch: Switch::default(),
    };
    thread::scope(|scope| {
        let attack = scope.spawn(|| attack(&field));
        field.is_set.wait();
        let (began, server, generator) = (Instant::now(), target.cpu(), CpuTime::of_this_process());
        let mut waits = calm.talk(50, || began.elapsed() < time);
        let took = began.elapsed();
        let server_percent = target.cpu().percent_since(server, took);
        let generator_percent = CpuTime::of_this_process().percent_since(generator, took).0;
        field.switch.turn_off();
        let outcome = attack.join().expect("no panic");
        let mut remarks = String::new();
        if waits.missing > 0 {
            remarks += &format!("; {} never came", waits.missing);
        }
        if outcome.ended > 0 {
            remarks += &format!("; {} closed", outcome.ended);
        }
        if !outcome.note.is_empty() {
            remarks += &format!("; {}", outcome.note);
        }
        Report {
            p99_ms: waits.ms_at(0.99),
            worst_ms: waits.ms_at(1.0),
            remarks,
            server_percent,
            generator_percent,
        }
    })
}
