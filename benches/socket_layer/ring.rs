//! Candidates C1, C2 and C3: an own ring per shard with deferred task work, multishot receives and a ring of provided buffers.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::epoll::readable;
use crate::relay::{Relay, Tick};
use crate::sys;

const BUFFER_GROUP: u16 = 0;
const BUFFERS: u16 = 512;
const BUFFER_BYTES: usize = 4096;
const PAGE_BYTES: usize = 4096;
/// Set in `user_data` of a send; the other bits are the connection's index.
const SEND: u64 = 1 << 63;
/// With a quantum: wake early once this many completions have come in.
const QUANTUM_COMPLETIONS: usize = 64;

/// How a turn's outboxes reach their sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// One `send` call each.
    Direct,
    /// One SEND entry each, all submitted by the call that also waits for the next receive.
    Ring,
}

/// The buffers that the kernel fills, and the ring through which it is told which are free.
struct ProvidedBuffers {
    entries: *mut BufRingEntry,
    layout: Layout,
    memory: Vec<u8>,
    /// Written to the shared tail by [`ProvidedBuffers::publish`]; wraps.
    tail: u16,
}

impl ProvidedBuffers {
    fn new() -> io::Result<Self> {
        let layout = Layout::array::<BufRingEntry>(usize::from(BUFFERS))
            .and_then(|layout| layout.align_to(PAGE_BYTES))
            .map_err(io::Error::other)?;
        // SAFETY: the layout is not empty. All-zero entries are valid, so is a zero tail.
        let entries: *mut BufRingEntry = unsafe { alloc_zeroed(layout) }.cast();
        if entries.is_null() {
            handle_alloc_error(layout);
        }
        let memory = vec![0; usize::from(BUFFERS) * BUFFER_BYTES];
        let mut buffers = Self {
            entries,
            layout,
            memory,
            tail: 0,
        };
        for id in 0..BUFFERS {
            buffers.recycle(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    fn bytes(&self, id: u16, len: usize) -> &[u8] {
        &self.memory[usize::from(id) * BUFFER_BYTES..][..len]
    }

    /// Puts a buffer back; the kernel sees it after the next [`ProvidedBuffers::publish`].
    fn recycle(&mut self, id: u16) {
        let slot = usize::from(self.tail & (BUFFERS - 1));
        let address = self.memory[usize::from(id) * BUFFER_BYTES..].as_ptr() as u64;
        // SAFETY: `slot` is below the number of entries, and the kernel does not read an entry at or past the shared tail.
        let entry = unsafe { &mut *self.entries.add(slot) };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: `entries` is the first entry of the ring, whose unused field is the tail; it is aligned for a u16 and shared with
        // the kernel alone, which reads it with acquire ordering.
        unsafe { &*BufRingEntry::tail(self.entries).cast::<AtomicU16>() }.store(self.tail, Ordering::Release);
    }
}

impl Drop for ProvidedBuffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the ring that knew the address is closed before (field order of `Shard`).
        unsafe { dealloc(self.entries.cast(), self.layout) };
    }
}

struct Shard {
    // Dropped first: the kernel must forget the buffers before they are freed.
    ring: IoUring,
    buffers: ProvidedBuffers,
    relay: Relay<'static>,
    sending: Sending,
    /// Connections whose multishot receive has ended and must be asked for again.
    ended: Vec<usize>,
}

impl Shard {
    fn new(relay: Relay<'static>, sending: Sending) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // Tells without a system call whether deferred work waits; only C3 looks at it.
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(4096)
            .build(1024)?;
        let buffers = ProvidedBuffers::new()?;
        // SAFETY: the entries outlive the ring: both live in this shard, the ring is dropped first.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(buffers.entries as u64, BUFFERS, BUFFER_GROUP, 0)
        }?;
        let ended = (0..relay.len()).collect();
        Ok(Self {
            ring,
            buffers,
            relay,
            sending,
            ended,
        })
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: a receive names no memory but the registered buffers. A send names its outbox, which nobody touches before the
        // next call into the ring has returned; MSG_DONTWAIT makes it complete inside that call.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit()?;
            self.relay.counters.entered_kernel(1);
        }
        Ok(())
    }

    /// Queues the receives that have to be asked for again, and gets the turn's outboxes out or queues them too. Returns how many
    /// sends are queued.
    fn prepare(&mut self) -> io::Result<usize> {
        for at in 0..self.ended.len() {
            let index = self.ended[at];
            let receive = opcode::RecvMulti::new(Fd(self.relay.fd(index)), BUFFER_GROUP).build();
            self.push(&receive.user_data(index as u64))?;
        }
        self.ended.clear();
        if self.sending == Sending::Direct {
            self.relay.flush();
            return Ok(0);
        }
        for at in 0..self.relay.dirty().len() {
            let index = self.relay.dirty()[at];
            let outbox = self.relay.outbox(index);
            let send = opcode::Send::new(Fd(self.relay.fd(index)), outbox.as_ptr(), outbox.len() as u32)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build();
            self.push(&send.user_data(SEND | index as u64))?;
        }
        Ok(self.relay.dirty().len())
    }

    /// Handles every completion that is there. Returns how many there were besides the `sends` that must be among them.
    fn reap(&mut self, sends: usize) -> usize {
        let Self {
            ring,
            buffers,
            relay,
            ended,
            ..
        } = self;
        let (mut sent, mut others) = (0, 0);
        for completion in ring.completion() {
            let result = usize::try_from(completion.result());
            if completion.user_data() & SEND != 0 {
                sent += 1;
                let bytes = match completion.result() {
                    full if full == -libc::EAGAIN => Some(0),
                    _ => result.ok(),
                };
                relay.sent((completion.user_data() & !SEND) as usize, bytes);
                continue;
            }
            others += 1;
            let index = completion.user_data() as usize;
            if let (Ok(bytes), Some(id)) = (result, cqueue::buffer_select(completion.flags())) {
                relay.receive(index, buffers.bytes(id, bytes));
                buffers.recycle(id);
            }
            // ENOBUFS ends a multishot receive like any error; every buffer has come back by the end of this loop. An end of file
            // (a result of 0) is the peer's last word and is not asked for again.
            let again = completion.result() > 0 || completion.result() == -libc::ENOBUFS;
            if !cqueue::more(completion.flags()) && again {
                ended.push(index);
            }
        }
        assert_eq!(
            sent, sends,
            "a send with MSG_DONTWAIT completes inside the call that submits it"
        );
        buffers.publish();
        relay.end_turn();
        others
    }

    /// Submits what is queued and waits for one completion besides the `sends`. With a quantum, a wait after work gathers
    /// completions for that long first.
    fn submit_and_wait(&mut self, sends: usize, timeout_ns: u64, quantum: Option<Duration>) -> io::Result<()> {
        let timeout = Timespec::from(Duration::from_nanos(timeout_ns));
        let mut arguments = SubmitArgs::new().timespec(&timeout);
        let mut want = sends + 1;
        if let Some(quantum) = quantum {
            arguments = arguments.min_wait_usec(quantum.as_micros() as u32);
            want = sends + QUANTUM_COMPLETIONS;
        }
        self.relay.counters.entered_kernel(1);
        match self.ring.submitter().submit_with_args(want, &arguments) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// C1 and C2: the task waits inside the ring until the next tick, and lets the executor run once per tick.
pub(crate) async fn serve_parked_by_itself(
    relay: Relay<'static>,
    sending: Sending,
    quantum: Option<Duration>,
) -> io::Result<()> {
    let counters = relay.counters;
    let mut shard = Shard::new(relay, sending)?;
    let mut tick = Tick::new();
    let mut worked = false;
    while !counters.stopping() {
        let sends = shard.prepare()?;
        let now_ns = sys::now_ns();
        let due = tick.is_due(now_ns);
        // Queued sends must go out before the executor runs, so a due tick shortens the wait to nothing.
        let timeout_ns = if due { 0 } else { tick.remaining_ns(now_ns) };
        shard.submit_and_wait(sends, timeout_ns, quantum.filter(|_| worked && !due))?;
        worked = shard.reap(sends) > 0;
        if due {
            glommio::executor().yield_now().await;
        }
    }
    Ok(())
}

/// C3: the executor waits for an eventfd that the kernel signals when the ring has work.
///
/// Readability of the ring's own descriptor would not do: with deferred task work nobody wakes its pollers before the shard enters
/// the ring, and a shard parked elsewhere never does.
pub(crate) async fn serve_parked_by_executor(relay: Relay<'static>, sending: Sending) -> io::Result<()> {
    let counters = relay.counters;
    let mut shard = Shard::new(relay, sending)?;
    let event = sys::EventFd::new()?;
    shard.ring.submitter().register_eventfd(event.raw_fd())?;
    loop {
        loop {
            let sends = shard.prepare()?;
            let submission = shard.ring.submission();
            let enter = !submission.is_empty() || submission.taskrun();
            drop(submission);
            if enter {
                counters.entered_kernel(1);
                shard.ring.submit()?;
            }
            if shard.reap(sends) == 0 && !shard.relay.is_dirty() && shard.ended.is_empty() {
                break;
            }
            glommio::yield_if_needed().await;
        }
        if counters.stopping() {
            return Ok(());
        }
        readable(event.raw_fd()).await;
        counters.entered_kernel(1);
        event.drain();
    }
}
