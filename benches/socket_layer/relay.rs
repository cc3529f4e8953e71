//! The work that is the same for every candidate: frames in, outboxes out, and the counters that the generator reads.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use crate::sys::{self, Transfer};

/// Players of one room in the relay workloads.
pub(crate) const PLAYERS_PER_ROOM: usize = 4;
/// Shortest sleep of every candidate's bookkeeping: the shard's tick.
pub(crate) const TICK_MS: u64 = 10;

/// What one connection's bytes turn into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fanout {
    /// Back to the sender.
    Echo,
    /// To the other members of the sender's room.
    Room,
}

/// Read by the generator's thread while the shard works. One writer, so a load and a store replace an atomic add.
#[derive(Default)]
pub(crate) struct Counters {
    sent_bytes: AtomicU64,
    kernel_entries: AtomicU64,
    sends: AtomicU64,
    cpu_clock: AtomicI32,
    thread_id: AtomicI32,
    ready: AtomicBool,
    stop: AtomicBool,
}

/// One reading of [`Counters`].
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) sent_bytes: u64,
    pub(crate) kernel_entries: u64,
    pub(crate) sends: u64,
}

impl Counters {
    fn add(counter: &AtomicU64, by: u64) {
        counter.store(counter.load(Ordering::Relaxed) + by, Ordering::Relaxed);
    }

    /// Called on the shard's thread when it is about to serve.
    pub(crate) fn open(&self, clock: sys::ThreadClock) {
        self.thread_id.store(sys::thread_id(), Ordering::Relaxed);
        self.cpu_clock.store(clock.0, Ordering::Relaxed);
        self.ready.store(true, Ordering::Release);
    }

    /// The shard's CPU clock, once it serves.
    pub(crate) fn shard_clock(&self) -> Option<sys::ThreadClock> {
        self.ready
            .load(Ordering::Acquire)
            .then(|| sys::ThreadClock(self.cpu_clock.load(Ordering::Relaxed)))
    }

    /// The shard's thread, once it serves.
    pub(crate) fn shard_thread(&self) -> i32 {
        self.thread_id.load(Ordering::Relaxed)
    }

    pub(crate) fn entered_kernel(&self, times: u64) {
        Self::add(&self.kernel_entries, times);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn read(&self) -> Reading {
        Reading {
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            kernel_entries: self.kernel_entries.load(Ordering::Relaxed),
            sends: self.sends.load(Ordering::Relaxed),
        }
    }
}

struct Connection {
    fd: RawFd,
    /// First bytes of a frame whose rest has not arrived.
    tail: Vec<u8>,
    outbox: Vec<u8>,
    dirty: bool,
}

/// All connections of one shard.
pub(crate) struct Relay<'a> {
    fanout: Fanout,
    frame_bytes: usize,
    connections: Vec<Connection>,
    dirty: Vec<usize>,
    pub(crate) counters: &'a Counters,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(fanout: Fanout, frame_bytes: usize, fds: &[RawFd], counters: &'a Counters) -> Self {
        let connection = |&fd| Connection {
            fd,
            tail: Vec::new(),
            outbox: Vec::with_capacity(4 * frame_bytes),
            dirty: false,
        };
        Self {
            fanout,
            frame_bytes,
            connections: fds.iter().map(connection).collect(),
            dirty: Vec::with_capacity(fds.len()),
            counters,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn fd(&self, connection: usize) -> RawFd {
        self.connections[connection].fd
    }

    /// Takes what one receive gave and appends every whole frame to the outboxes it belongs to.
    pub(crate) fn receive(&mut self, from: usize, mut bytes: &[u8]) {
        if !self.connections[from].tail.is_empty() {
            let mut tail = std::mem::take(&mut self.connections[from].tail);
            let missing = (self.frame_bytes - tail.len()).min(bytes.len());
            tail.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if tail.len() < self.frame_bytes {
                self.connections[from].tail = tail;
                return;
            }
            self.deliver(from, &tail);
        }
        let frame_bytes = self.frame_bytes;
        let mut frames = bytes.chunks_exact(frame_bytes);
        for frame in &mut frames {
            self.deliver(from, frame);
        }
        self.connections[from].tail.extend_from_slice(frames.remainder());
    }

    fn deliver(&mut self, from: usize, frame: &[u8]) {
        if self.fanout == Fanout::Echo {
            self.append(from, frame);
            return;
        }
        let first = from - from % PLAYERS_PER_ROOM;
        for member in first..first + PLAYERS_PER_ROOM {
            if member != from {
                self.append(member, frame);
            }
        }
    }

    fn append(&mut self, to: usize, frame: &[u8]) {
        let connection = &mut self.connections[to];
        connection.outbox.extend_from_slice(frame);
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(to);
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Connections with something to send, in the order in which they became dirty.
    pub(crate) fn dirty(&self) -> &[usize] {
        &self.dirty
    }

    pub(crate) fn outbox(&self, connection: usize) -> &[u8] {
        &self.connections[connection].outbox
    }

    /// Notes that a send of this connection's outbox took `bytes`; `None` is a socket that failed.
    pub(crate) fn sent(&mut self, to: usize, bytes: Option<usize>) {
        let connection = &mut self.connections[to];
        match bytes {
            Some(bytes) => {
                Counters::add(&self.counters.sent_bytes, bytes as u64);
                connection.outbox.drain(..bytes);
            }
            None => connection.outbox.clear(),
        }
        Counters::add(&self.counters.sends, 1);
    }

    /// Ends a turn: what was sent whole is clean, what was not stays dirty for the next turn.
    pub(crate) fn end_turn(&mut self) {
        let connections = &mut self.connections;
        self.dirty.retain(|&index| {
            let connection = &mut connections[index];
            connection.dirty = !connection.outbox.is_empty();
            connection.dirty
        });
    }

    /// One direct `send` per dirty outbox.
    pub(crate) fn flush(&mut self) {
        for index in 0..self.dirty.len() {
            let to = self.dirty[index];
            let sent = match sys::send(self.connections[to].fd, &self.connections[to].outbox) {
                Transfer::Bytes(bytes) => Some(bytes),
                Transfer::WouldBlock => Some(0),
                Transfer::Closed => None,
            };
            self.counters.entered_kernel(1);
            self.sent(to, sent);
        }
        self.end_turn();
    }
}

/// The time of the next tick, for candidates that wait on their own.
pub(crate) struct Tick {
    next_ns: u64,
}

impl Tick {
    pub(crate) fn new() -> Self {
        Self {
            next_ns: sys::now_ns() + TICK_MS * 1_000_000,
        }
    }

    /// True once per tick: time to let the executor run.
    pub(crate) fn is_due(&mut self, now_ns: u64) -> bool {
        if now_ns < self.next_ns {
            return false;
        }
        self.next_ns = now_ns + TICK_MS * 1_000_000;
        true
    }

    /// Nanoseconds until the next tick.
    pub(crate) fn remaining_ns(&self, now_ns: u64) -> u64 {
        self.next_ns.saturating_sub(now_ns)
    }
}
