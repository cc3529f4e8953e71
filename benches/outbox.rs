//! What a turn's frames towards one connection cost: copied into the outbox and sent at once, or sent from where they
//! lie with a vector of slices. See `docs/adr/005-copying-beats-vectored-writes.md`.
//!
//! Four receivers get the same frames, as the members of a room do. Counted is the thread's CPU time in copying, sending
//! and book-keeping, kernel included; draining the sockets is left out. The vectored side gets everything for free that
//! it would need in a server: shared ownership of the frames, their index, and taking frames back.

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use signal_fish_relay::shard::{FrameMark, Outbox, OutboxPool};

const RECEIVERS: usize = 4;
const FRAME_BYTES: [usize; 4] = [64, 512, 2 * 1024, 16 * 1024];
const FRAMES: [usize; 2] = [8, 32];
const ROUNDS: usize = 9;
/// Bytes that one side sends in one round, about.
const BYTES_PER_ROUND: usize = 24 * 1024 * 1024;
const MOST_TURNS_PER_ROUND: usize = 4_000;

fn main() -> io::Result<()> {
    let mut pairs = (0..RECEIVERS).map(|_| pair()).collect::<io::Result<Vec<_>>>()?;
    println!(
        "frame bytes, frames per turn: copied / vectored CPU time, median of {ROUNDS} (lowest–highest); copied µs"
    );
    for frame_bytes in FRAME_BYTES {
        for frames in FRAMES {
            let turns = (BYTES_PER_ROUND / (frame_bytes * frames * RECEIVERS)).clamp(8, MOST_TURNS_PER_ROUND);
            let mut rounds = Vec::new();
            let mut copied_us = Vec::new();
            for _ in 0..ROUNDS {
                // In turns, so that what else the machine does falls on both.
                let copied = round(&mut pairs, frame_bytes, frames, turns, &mut Copied::default())?;
                let vectored = round(&mut pairs, frame_bytes, frames, turns, &mut Vectored::default())?;
                rounds.push(copied as f64 / vectored as f64);
                copied_us.push(copied as f64 / 1_000.0 / (turns * RECEIVERS) as f64);
            }
            rounds.sort_by(f64::total_cmp);
            copied_us.sort_by(f64::total_cmp);
            let (low, median, high) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
            println!(
                "{frame_bytes:>6} × {frames:>2}: {median:.2} ({low:.2}–{high:.2}); {:.1} µs",
                copied_us[ROUNDS / 2]
            );
        }
    }
    Ok(())
}

/// One way to get frames onto a socket.
trait Way {
    /// Takes in the frames of a turn for one receiver.
    fn queue(&mut self, frames: &[Vec<u8>]);
    /// Sends what the socket takes. `true`: everything has been sent.
    fn send(&mut self, socket: &TcpStream, frames: &[Vec<u8>]) -> io::Result<bool>;
}

#[derive(Default)]
struct Copied {
    outbox: Outbox,
    pool: OutboxPool,
}

impl Way for Copied {
    fn queue(&mut self, frames: &[Vec<u8>]) {
        for frame in frames {
            self.outbox.push(&mut self.pool, &FrameMark::in_order(0), frame);
        }
    }

    fn send(&mut self, socket: &TcpStream, _frames: &[Vec<u8>]) -> io::Result<bool> {
        let bytes = self.outbox.unsent();
        // SAFETY: the pointer and the length come from one live slice, and the call does not keep them.
        let count = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), FLAGS) };
        let count = taken(count)?;
        self.outbox.advance(&mut self.pool, count);
        Ok(self.outbox.is_empty())
    }
}

#[derive(Default)]
struct Vectored {
    sent: usize,
    slices: Vec<libc::iovec>,
}

impl Way for Vectored {
    fn queue(&mut self, _frames: &[Vec<u8>]) {
        self.sent = 0;
    }

    fn send(&mut self, socket: &TcpStream, frames: &[Vec<u8>]) -> io::Result<bool> {
        self.slices.clear();
        let mut skip = self.sent;
        for frame in frames {
            let rest = frame.get(skip..).unwrap_or(&[]);
            skip = skip.saturating_sub(frame.len());
            if !rest.is_empty() {
                self.slices.push(libc::iovec {
                    iov_base: rest.as_ptr().cast_mut().cast(),
                    iov_len: rest.len(),
                });
            }
        }
        let left: usize = self.slices.iter().map(|slice| slice.iov_len).sum();
        // SAFETY: all zero is a valid, empty message header.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = self.slices.as_mut_ptr();
        message.msg_iovlen = self.slices.len() as _;
        // SAFETY: the header and the slices that it points to are alive, the kernel only reads the frames.
        let count = taken(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, FLAGS) })?;
        self.sent += count;
        Ok(count == left)
    }
}

const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

fn taken(count: isize) -> io::Result<usize> {
    match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) => match io::Error::last_os_error() {
            full if full.kind() == io::ErrorKind::WouldBlock => Ok(0),
            error => Err(error),
        },
    }
}

/// CPU nanoseconds that `turns` turns of one way cost.
fn round(
    pairs: &mut [(TcpStream, TcpStream)],
    frame_bytes: usize,
    frames_per_turn: usize,
    turns: usize,
    way: &mut dyn Way,
) -> io::Result<u64> {
    let mut frames = vec![vec![0; frame_bytes]; frames_per_turn];
    let mut spent_ns = 0;
    for turn in 0..turns {
        for frame in &mut frames {
            frame.fill(turn as u8);
        }
        for (ours, theirs) in &mut *pairs {
            let began_ns = thread_cpu_ns();
            way.queue(&frames);
            let mut is_sent = way.send(ours, &frames)?;
            spent_ns += thread_cpu_ns() - began_ns;
            drain(theirs)?;
            while !is_sent {
                let began_ns = thread_cpu_ns();
                is_sent = way.send(ours, &frames)?;
                spent_ns += thread_cpu_ns() - began_ns;
                drain(theirs)?;
            }
        }
    }
    Ok(spent_ns)
}

fn drain(socket: &mut TcpStream) -> io::Result<()> {
    let mut scratch = [0; 64 * 1024];
    loop {
        match socket.read(&mut scratch) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(empty) if empty.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let theirs = TcpStream::connect(listener.local_addr()?)?;
    let (ours, _) = listener.accept()?;
    ours.set_nodelay(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours, theirs))
}

fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to this frame, and the kernel fills the structure.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
