//! A client's own end: what it reads, what it answers by itself.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::frames::{Frame, Opcode, client_frame, close_payload, take_server_frame};
use super::pipe::{ClientEnd, Pipe};
use super::schedule::Schedule;
use super::tls::TlsEnd;

/// A client with TLS renews its keys with every so many messages.
const RENEWS_AFTER: u32 = 40;

/// A client.
#[derive(Debug)]
pub struct Peer {
    pub name: String,
    pub pipe: Rc<RefCell<Pipe>>,
    /// `None`: it speaks no TLS.
    tls: Option<TlsEnd>,
    /// How often it has sent something.
    sent: u32,
    /// Read, and not yet a whole frame.
    unread: VecDeque<u8>,
    /// Arrived, and not yet looked at by the scenario.
    pub received: VecDeque<Frame>,
    /// Whether it reads at all.
    pub reads: bool,
    /// Whether it answers pings and close frames as RFC 6455 has it.
    pub answers: bool,
    /// Whether a close frame has arrived.
    pub saw_close: bool,
    has_closed: bool,
}

impl Peer {
    pub fn new(name: String, pipe: Rc<RefCell<Pipe>>, tls: Option<TlsEnd>) -> Self {
        Self {
            name,
            pipe,
            tls,
            sent: 0,
            unread: VecDeque::new(),
            received: VecDeque::new(),
            reads: true,
            answers: true,
            saw_close: false,
            has_closed: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.pipe.borrow().client_end == ClientEnd::Open
    }

    /// Whether it would read something.
    pub fn has_work(&self) -> bool {
        let pipe = self.pipe.borrow();
        self.reads && self.is_open() && (!pipe.to_client.is_empty() || (pipe.server_finished && self.answers))
    }

    /// Whether everything that the server will ever say has been read.
    pub fn is_at_end(&self) -> bool {
        let pipe = self.pipe.borrow();
        pipe.server_closed && pipe.to_client.is_empty()
    }

    /// Puts bytes on the wire, unless the server has closed.
    pub fn send(&mut self, bytes: &[u8]) {
        self.sent += 1;
        match &mut self.tls {
            None => self.pipe.borrow_mut().write(bytes),
            Some(tls) => {
                let sealed = tls.seal(bytes, self.sent.is_multiple_of(RENEWS_AFTER));
                self.pipe.borrow_mut().write(&sealed);
            }
        }
    }

    pub fn send_close(&mut self, payload: &[u8], schedule: &mut Schedule) {
        self.has_closed = true;
        self.send(&client_frame(Opcode::Close, true, payload, schedule.mask()));
    }

    /// Reads some of what has arrived. Returns the new frames.
    pub fn read(&mut self, schedule: &mut Schedule) -> Vec<Frame> {
        let arrived: Vec<u8> = {
            let mut pipe = self.pipe.borrow_mut();
            if pipe.to_client.is_empty() && pipe.server_finished && self.answers {
                // As any client does at the end of the stream.
                pipe.end_as(ClientEnd::Finished);
            }
            let count = schedule.share_of(pipe.to_client.len());
            pipe.to_client.drain(..count).collect()
        };
        match &mut self.tls {
            None => self.unread.extend(arrived),
            Some(tls) => self.unread.extend(tls.open(&arrived)),
        }
        let mut frames = Vec::new();
        while let Some(frame) = take_server_frame(&mut self.unread) {
            assert!(
                !self.saw_close,
                "{} got a frame after the close frame: {frame:?}",
                self.name
            );
            match &frame {
                Frame::Close(code, reason) => {
                    self.saw_close = true;
                    if self.answers && !self.has_closed {
                        let payload = code.map_or_else(Vec::new, |code| close_payload(code, reason));
                        self.send_close(&payload, schedule);
                    }
                }
                Frame::Ping(payload) if self.answers && !self.has_closed => {
                    self.send(&client_frame(Opcode::Pong, true, payload, schedule.mask()));
                }
                _ => {}
            }
            frames.push(frame);
        }
        self.received.extend(frames.iter().cloned());
        frames
    }
}
