//! The yardstick on epoll: edge-triggered, one receive buffer, one send per dirty connection and turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::interruption;
use crate::poller::Poller;
use crate::yardstick::hall::{Hall, Slot};
use crate::yardstick::stop::STOP_POLL;

const LISTENER: usize = usize::MAX;
const SCRATCH_BYTES: usize = 64 << 10;

/// Serves until it is told to stop.
pub(super) fn serve(listener: &TcpListener, hall: &mut Hall, quantum: Duration) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(listener.as_fd(), LISTENER)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut scratch = vec![0; SCRATCH_BYTES];
    while !interruption::asked() {
        hall.counters.kernel_entries += 1;
        let count = poller.wait(STOP_POLL)?;
        for index in 0..count {
            let ready = poller.ready(index);
            if ready.token == LISTENER {
                accept(listener, &poller, hall, &mut streams)?;
                continue;
            }
            if ready.writable {
                hall.writable(ready.token);
            }
            if ready.readable
                && let Some(stream) = &streams[ready.token]
            {
                read(stream, ready.token, hall, &mut scratch);
            }
        }
        let dirty = hall.take_dirty();
        for &slot in &dirty {
            if let Some(mut stream) = streams[slot].as_ref() {
                hall.counters.kernel_entries += 1;
                let result = stream.write(hall.outbox(slot));
                hall.sent(slot, result);
            }
        }
        hall.flushed(dirty);
        for slot in hall.take_leaving() {
            streams[slot] = None;
            hall.free(slot);
        }
        if count > 0 && !quantum.is_zero() {
            hall.counters.kernel_entries += 1;
            std::thread::sleep(quantum);
        }
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    poller: &Poller,
    hall: &mut Hall,
    streams: &mut Vec<Option<TcpStream>>,
) -> io::Result<()> {
    loop {
        hall.counters.kernel_entries += 1;
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // The peer has given up already.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        hall.counters.kernel_entries += 3;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let slot = hall.enter();
        if streams.len() <= slot {
            streams.resize_with(slot + 1, || None);
        }
        poller.add(stream.as_fd(), slot)?;
        streams[slot] = Some(stream);
    }
}

fn read(mut stream: &TcpStream, slot: Slot, hall: &mut Hall, scratch: &mut [u8]) {
    loop {
        hall.counters.kernel_entries += 1;
        match stream.read(scratch) {
            Ok(0) => return hall.drop_out(slot),
            Ok(bytes) => {
                hall.receive(slot, &mut scratch[..bytes]);
                // A short read has emptied the socket: whatever comes later is a new edge.
                if bytes < scratch.len() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return hall.drop_out(slot),
        }
    }
}
