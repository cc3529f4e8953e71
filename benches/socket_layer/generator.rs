//! The load: all clients on one spinning thread, the same for every candidate.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::relay::{Counters, PLAYERS_PER_ROOM, Reading};
use crate::sys::{self, Epoll, Transfer};

/// How the clients decide when to send.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each client keeps so many messages in flight; a message is done when everybody it is meant for has it.
    InFlight(usize),
    /// Each client sends at this rate, whatever comes back.
    Hertz(u64),
}

/// One workload as the generator sees it.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) pace: Pace,
    pub(crate) frame_bytes: usize,
    /// Copies that one message turns into.
    pub(crate) copies: usize,
    pub(crate) warmup: Duration,
    pub(crate) window: Duration,
}

/// What one run measured between the end of the warm-up and the end of the window.
pub(crate) struct Sample {
    pub(crate) window_ns: u64,
    pub(crate) shard_cpu_ns: u64,
    /// How long the shard and the generator together stood in line for their CPUs.
    pub(crate) waited_ns: u64,
    pub(crate) before: Reading,
    pub(crate) after: Reading,
    pub(crate) received: u64,
    /// From the scheduled send to the receive, sorted.
    pub(crate) latencies_ns: Vec<u32>,
}

const STAMP: usize = 8;
const NUMBER: usize = STAMP + 4;

struct Client {
    stream: TcpStream,
    tail: Vec<u8>,
    /// Copies of this client's messages that have arrived and not yet been exchanged for a new message.
    arrived: usize,
}

struct Generator {
    clients: Vec<Client>,
    epoll: Epoll,
    load: Load,
    frame: Vec<u8>,
    scratch: Vec<u8>,
    latencies_ns: Vec<u32>,
    received: u64,
    measuring: bool,
}

/// A cheap stream of numbers for the phases; the same in every run.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl Generator {
    fn send(&mut self, index: usize, scheduled_ns: u64) -> io::Result<()> {
        self.frame[..STAMP].copy_from_slice(&scheduled_ns.to_le_bytes());
        self.frame[STAMP..NUMBER].copy_from_slice(&(index as u32).to_le_bytes());
        match sys::send(self.clients[index].stream.as_raw_fd(), &self.frame) {
            Transfer::Bytes(bytes) if bytes == self.frame.len() => Ok(()),
            // A full socket means a shard that stands still; a run like that has no figures to give.
            _ => Err(io::Error::other(format!("client {index} could not send a whole frame"))),
        }
    }

    fn arrived(&mut self, frame: &[u8], now_ns: u64) -> io::Result<()> {
        let (stamp, rest) = frame.split_at(STAMP);
        let scheduled_ns = stamp
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        let sender = rest[..4]
            .iter()
            .rev()
            .fold(0usize, |value, &byte| value << 8 | usize::from(byte));
        if self.measuring {
            self.received += 1;
            self.latencies_ns
                .push(now_ns.saturating_sub(scheduled_ns).min(u64::from(u32::MAX)) as u32);
        }
        if let Pace::InFlight(_) = self.load.pace {
            self.clients[sender].arrived += 1;
            if self.clients[sender].arrived == self.load.copies {
                self.clients[sender].arrived = 0;
                self.send(sender, now_ns)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        for event in 0..self.epoll.wait(0) {
            let index = self.epoll.ready(event);
            let mut bytes = std::mem::take(&mut self.clients[index].tail);
            loop {
                match sys::recv(self.clients[index].stream.as_raw_fd(), &mut self.scratch) {
                    Transfer::Bytes(count) => {
                        bytes.extend_from_slice(&self.scratch[..count]);
                        if count < self.scratch.len() {
                            break;
                        }
                    }
                    Transfer::WouldBlock => break,
                    Transfer::Closed => return Err(io::Error::other(format!("client {index} was cut off"))),
                }
            }
            let now_ns = sys::now_ns();
            let mut frames = bytes.chunks_exact(self.load.frame_bytes);
            for frame in &mut frames {
                self.arrived(frame, now_ns)?;
            }
            let used = bytes.len() - frames.remainder().len();
            bytes.drain(..used);
            self.clients[index].tail = bytes;
        }
        Ok(())
    }

    fn run(&mut self, counters: &Counters) -> io::Result<Sample> {
        let clock = loop {
            match counters.shard_clock() {
                Some(clock) => break clock,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let begin_ns = sys::now_ns();
        let measure_ns = begin_ns + self.load.warmup.as_nanos() as u64;
        let end_ns = measure_ns + self.load.window.as_nanos() as u64;

        let mut schedule: Vec<(u64, usize)> = Vec::new();
        let mut period_ns = 0;
        match self.load.pace {
            Pace::InFlight(depth) => {
                for index in 0..self.clients.len() {
                    for _ in 0..depth {
                        self.send(index, sys::now_ns())?;
                    }
                }
            }
            Pace::Hertz(hertz) => {
                period_ns = 1_000_000_000 / hertz;
                let mut random = 0x9e37_79b9_7f4a_7c15;
                schedule = (0..self.clients.len())
                    .map(|index| (begin_ns + next_random(&mut random) % period_ns, index))
                    .collect();
                schedule.sort_unstable();
            }
        }

        let mut due = 0;
        let (shard, own) = (counters.shard_thread(), sys::thread_id());
        let waited = || sys::waited_for_cpu_ns(shard) + sys::waited_for_cpu_ns(own);
        let mut waited_before_ns = waited();
        let (mut start_ns, mut cpu_ns, mut before) = (begin_ns, clock.cpu_ns(), counters.read());
        loop {
            let now_ns = sys::now_ns();
            if !self.measuring && now_ns >= measure_ns {
                self.measuring = true;
                waited_before_ns = waited();
                (start_ns, cpu_ns, before) = (now_ns, clock.cpu_ns(), counters.read());
            }
            if now_ns >= end_ns {
                break;
            }
            while !schedule.is_empty() && schedule[due].0 <= now_ns {
                let (scheduled_ns, index) = schedule[due];
                self.send(index, scheduled_ns)?;
                schedule[due].0 += period_ns;
                due = (due + 1) % schedule.len();
            }
            self.receive()?;
        }
        let window_ns = sys::now_ns() - start_ns;
        let (shard_cpu_ns, after) = (clock.cpu_ns() - cpu_ns, counters.read());
        let waited_ns = waited() - waited_before_ns;
        let mut latencies_ns = std::mem::take(&mut self.latencies_ns);
        latencies_ns.sort_unstable();
        Ok(Sample {
            window_ns,
            shard_cpu_ns,
            waited_ns,
            before,
            after,
            received: self.received,
            latencies_ns,
        })
    }
}

/// Runs one workload over connected clients on the calling thread.
pub(crate) fn drive(streams: Vec<TcpStream>, load: Load, counters: &Counters) -> io::Result<Sample> {
    let epoll = Epoll::new(streams.len())?;
    for (index, stream) in streams.iter().enumerate() {
        epoll.add(stream.as_raw_fd(), index)?;
    }
    let clients = streams
        .into_iter()
        .map(|stream| Client {
            stream,
            tail: Vec::with_capacity(64 * load.frame_bytes * PLAYERS_PER_ROOM),
            arrived: 0,
        })
        .collect();
    let mut generator = Generator {
        clients,
        epoll,
        load,
        frame: vec![0; load.frame_bytes],
        scratch: vec![0; 64 << 10],
        latencies_ns: Vec::with_capacity(4 << 20),
        received: 0,
        measuring: false,
    };
    let sample = generator.run(counters);
    // Before the clients hang up: that is what wakes a shard that is parked without a timeout.
    counters.stop();
    sample
}
