//! The yardstick on io_uring: multishot accept and receive, buffers that the kernel picks, and a turn's sends submitted
//! by the call that waits for the next receive.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use crate::interruption;
use crate::ring::{Buffers, Ring};
use crate::yardstick::hall::{Hall, Slot};
use crate::yardstick::stop::STOP_POLL;

const SUBMISSIONS: u32 = 1024;
const GROUP: u16 = 0;
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 4096;

/// The upper byte of `user_data` says what an entry was; the rest is the connection.
const ACCEPT: u64 = 1 << 56;
const RECEIVE: u64 = 2 << 56;
const SEND: u64 = 3 << 56;
const WRITABLE: u64 = 4 << 56;
const KIND: u64 = 0xFF << 56;

/// The socket of a connection and what the kernel still holds of it.
struct Seat {
    stream: TcpStream,
    /// A multishot receive is under way.
    receiving: bool,
    /// Its writability is awaited.
    polling: bool,
    leaving: bool,
}

struct Server<'a> {
    // Dropped first: the kernel must forget the buffers before they are freed.
    ring: Ring,
    buffers: Buffers,
    listener: &'a TcpListener,
    hall: &'a mut Hall,
    seats: Vec<Option<Seat>>,
    accepting: bool,
    /// Connections whose receive has to be asked for.
    mute: Vec<Slot>,
    /// Connections whose writability has to be asked for.
    full: Vec<Slot>,
    /// Left connections whose last completions are awaited.
    ghosts: Vec<Slot>,
}

/// What the kernel needs to serve us; fails where it does not have it.
pub(super) struct Equipment {
    ring: Ring,
    buffers: Buffers,
}

impl Equipment {
    pub(super) fn new() -> io::Result<Self> {
        let ring = Ring::new(SUBMISSIONS)?;
        let buffers = Buffers::new(BUFFERS, BUFFER_BYTES)?;
        // SAFETY: here and in `Server` the ring is declared before the buffers, so it is dropped before them.
        unsafe { ring.register(&buffers, GROUP) }?;
        Ok(Self { ring, buffers })
    }
}

/// Serves until it is told to stop.
pub(super) fn serve(
    equipment: Equipment,
    listener: &TcpListener,
    hall: &mut Hall,
    quantum: Duration,
) -> io::Result<()> {
    let mut server = Server {
        ring: equipment.ring,
        buffers: equipment.buffers,
        listener,
        hall,
        seats: Vec::new(),
        accepting: false,
        mute: Vec::new(),
        full: Vec::new(),
        ghosts: Vec::new(),
    };
    let mut worked = false;
    while !interruption::asked() {
        server.ask()?;
        let dirty = server.send()?;
        let gather = (worked && !quantum.is_zero()).then_some(quantum);
        // While gathering, no number of completions ends the wait early.
        let want = dirty.len() + gather.map_or(1, |_| SUBMISSIONS as usize * 4);
        server.ring.submit_and_wait(want, STOP_POLL, gather)?;
        worked = server.reap()? > 0;
        server.hall.flushed(dirty);
        server.close_left();
        server.hall.counters.kernel_entries += std::mem::take(&mut server.ring.entries);
    }
    Ok(())
}

impl Server<'_> {
    fn fd(&self, slot: Slot) -> Option<RawFd> {
        self.seats[slot].as_ref().map(|seat| seat.stream.as_raw_fd())
    }

    /// Queues accepts, receives and polls that are not under way.
    fn ask(&mut self) -> io::Result<()> {
        if !self.accepting {
            self.accepting = true;
            let accept = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd()))
                .build()
                .user_data(ACCEPT);
            // SAFETY: names no memory.
            unsafe { self.ring.push(&accept) }?;
        }
        while let Some(slot) = self.mute.pop() {
            let Some(seat) = self.seats[slot].as_mut().filter(|seat| !seat.leaving) else {
                continue;
            };
            seat.receiving = true;
            let receive = opcode::RecvMulti::new(Fd(seat.stream.as_raw_fd()), GROUP)
                .build()
                .user_data(RECEIVE | slot as u64);
            // SAFETY: names no memory but the registered buffers.
            unsafe { self.ring.push(&receive) }?;
        }
        while let Some(slot) = self.full.pop() {
            let Some(seat) = self.seats[slot].as_mut().filter(|seat| !seat.leaving) else {
                continue;
            };
            seat.polling = true;
            let poll = opcode::PollAdd::new(Fd(seat.stream.as_raw_fd()), libc::POLLOUT as u32)
                .build()
                .user_data(WRITABLE | slot as u64);
            // SAFETY: names no memory.
            unsafe { self.ring.push(&poll) }?;
        }
        Ok(())
    }

    /// Queues one send per dirty connection.
    fn send(&mut self) -> io::Result<Vec<Slot>> {
        let mut dirty = self.hall.take_dirty();
        dirty.retain(|&slot| self.seats[slot].is_some());
        for &slot in &dirty {
            let fd = self.fd(slot).expect("just checked");
            let outbox = self.hall.outbox(slot);
            let send = opcode::Send::new(Fd(fd), outbox.as_ptr(), outbox.len() as u32)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data(SEND | slot as u64);
            // SAFETY: nobody touches an outbox before the call that submits its send has returned, and MSG_DONTWAIT makes
            // the send complete inside that call.
            unsafe { self.ring.push(&send) }?;
        }
        Ok(dirty)
    }

    /// Handles every completion that is there; tells how many were not sends.
    fn reap(&mut self) -> io::Result<usize> {
        let Self {
            ring,
            buffers,
            hall,
            seats,
            mute,
            full,
            accepting,
            ..
        } = self;
        let mut others = 0;
        for completion in ring.completions() {
            let slot = (completion.user_data() & !KIND) as usize;
            let result = completion.result();
            let kind = completion.user_data() & KIND;
            if kind == SEND {
                hall.sent(slot, outcome(result));
                if hall.is_blocked(slot) {
                    full.push(slot);
                }
                continue;
            }
            others += 1;
            match kind {
                RECEIVE => {
                    if let Some(id) = cqueue::buffer_select(completion.flags()) {
                        if result > 0 {
                            hall.receive(slot, buffers.bytes(id, result as usize));
                        }
                        buffers.recycle(id);
                    }
                    if !cqueue::more(completion.flags()) {
                        if let Some(seat) = &mut seats[slot] {
                            seat.receiving = false;
                        }
                        // ENOBUFS ends a multishot receive; every buffer has come back by the end of this loop.
                        if result > 0 || result == -libc::ENOBUFS {
                            mute.push(slot);
                        } else {
                            hall.drop_out(slot);
                        }
                    }
                }
                WRITABLE => {
                    if let Some(seat) = &mut seats[slot] {
                        seat.polling = false;
                    }
                    hall.writable(slot);
                }
                _ => {
                    *accepting = cqueue::more(completion.flags());
                    if let Ok(fd) = outcome(result) {
                        // SAFETY: the kernel has just opened this descriptor for us, and nobody else owns it.
                        let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
                        hall.counters.kernel_entries += 1;
                        stream.set_nodelay(true)?;
                        let slot = hall.enter();
                        if seats.len() <= slot {
                            seats.resize_with(slot + 1, || None);
                        }
                        seats[slot] = Some(Seat {
                            stream,
                            receiving: false,
                            polling: false,
                            leaving: false,
                        });
                        mute.push(slot);
                    }
                }
            }
        }
        buffers.publish();
        Ok(others)
    }

    /// Shuts left connections down, and frees those that the kernel holds nothing of any more.
    fn close_left(&mut self) {
        for slot in self.hall.take_leaving() {
            if let Some(seat) = &mut self.seats[slot] {
                // What is still in the outbox of this turn would be lost; it goes out now, as far as the socket takes it.
                let _ = io::Write::write(&mut &seat.stream, self.hall.outbox(slot));
                seat.leaving = true;
                let _ = seat.stream.shutdown(std::net::Shutdown::Both);
                self.ghosts.push(slot);
            }
        }
        let (seats, hall) = (&mut self.seats, &mut *self.hall);
        self.ghosts.retain(|&slot| {
            let held = seats[slot].as_ref().is_some_and(|seat| seat.receiving || seat.polling);
            if !held {
                seats[slot] = None;
                hall.free(slot);
            }
            held
        });
    }
}

/// A completion's result as the call would have returned it.
fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
