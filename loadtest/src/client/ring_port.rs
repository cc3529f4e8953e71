//! Connections on io_uring: multishot receives into buffers that the kernel picks, and all sends of a turn submitted by
//! the call that waits.
//!
//! Sockets are numbered as connections are; a generation tells the completions of a connection from those of the one that
//! had its number before.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::types::{Fd, RecvMsgOut};
use io_uring::{cqueue, opcode, squeue};

use crate::client::connection::Connection;
use crate::client::desk::{Desk, Wait, note_end};
use crate::ring::{Buffers, Ring};
use crate::sys;

const SUBMISSIONS: u32 = 1024;
const GROUP: u16 = 0;
const BUFFERS: u16 = 128;
const BUFFER_BYTES: usize = 16 * 1024;
/// Room for one arrival stamp with its header.
const CONTROL_BYTES: usize = 64;
/// While gathering, fewer completions than this do not end the wait early.
const GATHERED: usize = 2048;

/// The upper byte of `user_data` says what an entry was; a generation and the connection follow.
const RECEIVE: u64 = 1 << 56;
const SEND: u64 = 2 << 56;
const WRITABLE: u64 = 3 << 56;
const KIND: u64 = 0xFF << 56;
const GENERATION_SHIFT: u32 = 32;

/// What the kernel does for a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    generation: u16,
    /// It is to be read; not by hand.
    received: bool,
    /// Its writability is awaited, so it is not flushed.
    blocked: bool,
}

/// The connections' way in and out of the kernel.
pub(super) struct RingPort {
    // Dropped first: the kernel must forget the buffers before they are freed.
    ring: Ring,
    buffers: Buffers,
    standings: Vec<Standing>,
    /// Connections whose receive has to be asked for.
    mute: Vec<usize>,
    /// Connections whose writability has to be asked for.
    full: Vec<usize>,
    /// What a stamped receive looks like; the kernel copies it when a receive begins.
    form: Option<Box<libc::msghdr>>,
}

impl RingPort {
    pub(super) fn new(stamped: bool) -> io::Result<Self> {
        let ring = Ring::new(SUBMISSIONS)?;
        let buffers = Buffers::new(BUFFERS, BUFFER_BYTES)?;
        // SAFETY: the ring is declared before the buffers, so it is dropped before them.
        unsafe { ring.register(&buffers, GROUP) }?;
        let form = stamped.then(|| {
            // SAFETY: all-zero is a valid msghdr: null pointers with zero lengths.
            let mut form: libc::msghdr = unsafe { std::mem::zeroed() };
            form.msg_controllen = CONTROL_BYTES as _;
            Box::new(form)
        });
        Ok(Self {
            ring,
            buffers,
            standings: Vec::new(),
            mute: Vec::new(),
            full: Vec::new(),
            form,
        })
    }

    /// Takes a new connection, or one that replaces another; it is connecting.
    pub(super) fn attach(&mut self, number: usize, received: bool) {
        if self.standings.len() <= number {
            self.standings.resize(number + 1, Standing::default());
        }
        let standing = &mut self.standings[number];
        standing.generation = standing.generation.wrapping_add(1);
        standing.received = received;
        standing.blocked = true;
        // Once it is writable it is connected, or has failed to be.
        self.full.push(number);
    }

    /// See [`crate::client::sockets::Sockets::turn`].
    pub(super) fn turn(
        &mut self,
        connections: &mut [Connection],
        dirty: &mut Vec<usize>,
        ended: &mut Vec<usize>,
        wait: Wait,
        desk: &mut impl Desk,
    ) -> io::Result<bool> {
        self.ask(connections)?;
        let mut sends = 0;
        for &number in &*dirty {
            let connection = &mut connections[number];
            if !connection.has_unsent() || self.standings[number].blocked {
                continue;
            }
            // Until the completion is seen, so that a connection that is named twice is sent once.
            self.standings[number].blocked = true;
            sends += 1;
            let (fd, unsent) = (fd(connection), connection.unsent());
            let send = opcode::Send::new(fd, unsent.as_ptr(), unsent.len() as u32)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build();
            // SAFETY: nobody touches an outbox before the call that submits its send has returned, and MSG_DONTWAIT makes
            // the send complete inside that call.
            unsafe { self.push(SEND, number, send) }?;
        }
        dirty.clear();
        match wait {
            Wait::Poll => self.ring.poll()?,
            Wait::For(timeout) => self.ring.submit_and_wait(sends + 1, timeout, None)?,
            Wait::Gather(length) => self.ring.submit_and_wait(sends + GATHERED, length, None)?,
        }
        self.reap(connections, dirty, ended, desk)
    }

    /// # Safety
    ///
    /// As for [`Ring::push`].
    unsafe fn push(&mut self, kind: u64, number: usize, entry: squeue::Entry) -> io::Result<()> {
        let generation = u64::from(self.standings[number].generation) << GENERATION_SHIFT;
        // SAFETY: the caller's promise.
        unsafe { self.ring.push(&entry.user_data(kind | generation | number as u64)) }
    }

    /// Queues receives and polls that are not under way.
    fn ask(&mut self, connections: &[Connection]) -> io::Result<()> {
        while let Some(number) = self.full.pop() {
            let poll = opcode::PollAdd::new(fd(&connections[number]), libc::POLLOUT as u32).build();
            // SAFETY: names no memory.
            unsafe { self.push(WRITABLE, number, poll) }?;
        }
        while let Some(number) = self.mute.pop() {
            let fd = fd(&connections[number]);
            let receive = match &self.form {
                Some(form) => opcode::RecvMsgMulti::new(fd, &raw const **form, GROUP).build(),
                None => opcode::RecvMulti::new(fd, GROUP).build(),
            };
            // SAFETY: names no memory but the registered buffers and the form, which lives as long as the ring.
            unsafe { self.push(RECEIVE, number, receive) }?;
        }
        Ok(())
    }

    fn reap(
        &mut self,
        connections: &mut [Connection],
        dirty: &mut Vec<usize>,
        ended: &mut Vec<usize>,
        desk: &mut impl Desk,
    ) -> io::Result<bool> {
        let Self {
            ring,
            buffers,
            standings,
            mute,
            full,
            form,
        } = self;
        let mut received = false;
        for completion in ring.completions() {
            let number = completion.user_data() as u32 as usize;
            let standing = &mut standings[number];
            let current = (completion.user_data() >> GENERATION_SHIFT) as u16 == standing.generation;
            let result = completion.result();
            let connection = &mut connections[number];
            match completion.user_data() & KIND {
                SEND => {
                    standing.blocked = !connection.sent(outcome(result));
                    if standing.blocked {
                        full.push(number);
                    }
                }
                WRITABLE => {
                    if current {
                        standing.blocked = false;
                        connection.writable();
                        dirty.push(number);
                        // The first time: it is connected.
                        if standing.received {
                            standing.received = false;
                            mute.push(number);
                        }
                    }
                }
                _ => {
                    if !std::mem::replace(&mut received, true) {
                        desk.open();
                    }
                    let buffer = cqueue::buffer_select(completion.flags());
                    let bytes = match buffer {
                        Some(id) if result > 0 => &*buffers.bytes(id, result as usize),
                        _ => &[],
                    };
                    let more = cqueue::more(completion.flags());
                    // ENOBUFS ends a multishot receive; every buffer has come back by the end of this loop.
                    let out_of_buffers = result == -libc::ENOBUFS;
                    if current && !out_of_buffers {
                        desk.turn_to(number);
                        match form {
                            Some(form) if result > 0 => {
                                let message = RecvMsgOut::parse(bytes, form)
                                    .map_err(|()| io::Error::other("a receive that is not as it was asked for"))?;
                                let payload = message.payload_data();
                                let stamp_ns = sys::arrival_stamp(message.control_data());
                                connection.take(Ok(payload.len()), payload, stamp_ns, desk);
                            }
                            _ => connection.take(outcome(result), bytes, None, desk),
                        }
                        if connection.has_unsent() {
                            dirty.push(number);
                        }
                    }
                    if let Some(id) = buffer {
                        buffers.recycle(id);
                    }
                    if !more && current && connection.end().is_none() {
                        mute.push(number);
                    }
                }
            }
            if current {
                note_end(connection, number, ended);
            }
        }
        buffers.publish();
        Ok(received)
    }
}

fn fd(connection: &Connection) -> Fd {
    Fd(connection.descriptor().as_raw_fd())
}

/// A completion's result as the call would have returned it.
fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
