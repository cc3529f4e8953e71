//! Candidates B and B2: one edge-triggered epoll set per shard, read in a loop by one task into one scratch buffer.

use std::future::poll_fn;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::AsyncRead;
use glommio::net::TcpStream;

use crate::relay::{Relay, Tick};
use crate::sys::{self, Epoll, Transfer};

/// Waits through the executor until `fd`, which need not be a socket, is readable.
///
/// glommio 0.9.0 arms a poll when a stream is made from a descriptor, and the first `poll_read` waits for it. The read itself then
/// fails on anything but a socket, which is all the same here. The stream is never dropped, because that would close `fd`; it has
/// given up its poll by then, so nothing else is lost.
pub(crate) async fn readable(fd: RawFd) {
    // SAFETY: `fd` stays open while the caller waits, and `ManuallyDrop` keeps the stream from closing it.
    let mut stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
    let mut byte = [0; 1];
    poll_fn(|cx| match Pin::new(&mut *stream).poll_read(cx, &mut byte) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
}

struct Shard {
    relay: Relay<'static>,
    epoll: Epoll,
    scratch: Vec<u8>,
}

impl Shard {
    fn new(relay: Relay<'static>) -> io::Result<Self> {
        let epoll = Epoll::new(relay.len())?;
        for index in 0..relay.len() {
            epoll.add(relay.fd(index), index)?;
        }
        Ok(Self {
            relay,
            epoll,
            scratch: vec![0; 64 << 10],
        })
    }

    /// Waits at most `timeout_ms`, reads every ready socket, sends every dirty outbox. False when nothing was ready.
    fn turn(&mut self, timeout_ms: i32) -> bool {
        let ready = self.epoll.wait(timeout_ms);
        self.relay.counters.entered_kernel(1);
        for event in 0..ready {
            let index = self.epoll.ready(event);
            loop {
                self.relay.counters.entered_kernel(1);
                let Transfer::Bytes(bytes) = sys::recv(self.relay.fd(index), &mut self.scratch) else {
                    break;
                };
                self.relay.receive(index, &self.scratch[..bytes]);
                // A short read has emptied the socket: whatever comes later is a new edge.
                if bytes < self.scratch.len() {
                    break;
                }
            }
        }
        self.relay.flush();
        ready > 0
    }
}

/// B: the executor waits for the readability of the epoll set.
pub(crate) async fn serve_parked_by_executor(relay: Relay<'static>) -> io::Result<()> {
    let counters = relay.counters;
    let mut shard = Shard::new(relay)?;
    loop {
        while shard.turn(0) {
            glommio::yield_if_needed().await;
        }
        // After the sockets are drained: what ends the run also makes them ready, once.
        if counters.stopping() {
            return Ok(());
        }
        readable(shard.epoll.raw_fd()).await;
    }
}

/// B2: the task blocks in the epoll set until the next tick, and lets the executor run once per tick. With a `quantum`, a turn
/// that had work is followed by a sleep of that length, so that the next one finds more.
pub(crate) async fn serve_parked_by_itself(relay: Relay<'static>, quantum: Option<Duration>) -> io::Result<()> {
    let counters = relay.counters;
    let mut shard = Shard::new(relay)?;
    let mut tick = Tick::new();
    while !counters.stopping() {
        let now_ns = sys::now_ns();
        if tick.is_due(now_ns) {
            glommio::executor().yield_now().await;
            continue;
        }
        // Rounded up: a timeout of 0 would spin through the last millisecond before the tick.
        let timeout_ms = tick.remaining_ns(now_ns).div_ceil(1_000_000) as i32;
        if shard.turn(timeout_ms)
            && let Some(quantum) = quantum
        {
            counters.entered_kernel(1);
            sys::sleep(quantum);
        }
    }
    Ok(())
}
