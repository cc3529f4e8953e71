//! `yardstick`: the least that a relay can cost on this machine, as a server to compare others with.
//!
//! One thread serves WebSockets that speak enough of protocol v2 for a measurement and for a client's happy path. It owns
//! its sockets, rooms and counters. It must never become a product: no validation, no budgets, no liveness, no
//! conversion between encodings.

mod counters;
mod door;
mod epoll;
mod greeting;
mod hall;
mod inbound;
mod lobby;
mod ring;
mod stop;

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::{Backend, YardstickArguments};
use crate::console;
use crate::report::Verdict;
use crate::sys;
use crate::yardstick::hall::Hall;

/// Serves until SIGINT or SIGTERM, then tells what a delivery has cost.
pub(crate) fn execute(arguments: &YardstickArguments) -> Result<Verdict> {
    sys::raise_file_limit().context("cannot raise the limit of open files")?;
    let wanted = (arguments.address, arguments.port);
    let listener = TcpListener::bind(wanted).with_context(|| format!("cannot listen on {wanted:?}"))?;
    let quantum = Duration::from_micros(arguments.quantum_us);
    let mut hall = Hall::new(u64::from(std::process::id()) << 32 | u64::from(sys::wall_clock_ns() as u32));
    let equipment = match arguments.backend {
        Backend::Epoll => None,
        Backend::Ring => ring::Equipment::new()
            .inspect_err(|error| {
                console::remark(&format!(
                    "io_uring is not available here ({error}); epoll serves instead"
                ))
            })
            .ok(),
    };
    let backend = if equipment.is_some() { "ring" } else { "epoll" };
    console::print(&format!("listening on {} ({backend})", listener.local_addr()?))?;
    match equipment {
        Some(equipment) => ring::serve(equipment, &listener, &mut hall, quantum),
        None => epoll::serve(&listener, &mut hall, quantum),
    }
    .context("the sockets failed")?;
    console::print(&hall.counters.summary())?;
    Ok(Verdict::Balanced)
}
