//! From bytes to messages, across any cuts.

use std::fmt;

use super::header::{FrameHeader, FrameKind, Violation};
use crate::shard::Flow;

/// What a connection's bytes turned out to be. Borrows from the buffer that they were received into.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A probe, to be answered with the same payload.
    Ping(&'a [u8]),
    /// The answer to a probe.
    Pong(&'a [u8]),
    /// The end of the conversation; the payload is valid and may be echoed. Nothing after it is served.
    Close(&'a [u8]),
}

/// How much of a message that is not yet complete is kept.
#[derive(Debug, Clone, Copy)]
pub struct InboundLimits {
    /// Bytes of a message.
    pub max_message_bytes: usize,
    /// Pieces of a message.
    pub max_fragments: u32,
}

/// What a connection keeps of what it received: nothing between messages.
#[derive(Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Inbound {
    partial: Option<Box<Partial>>,
    /// Whether anything that still comes is to be ignored.
    is_over: bool,
}

/// The beginnings that are kept.
#[derive(Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Partial {
    /// Bytes as they came, from the start of a frame that is not yet complete or not yet served.
    carry: Vec<u8>,
    message: Option<Assembly>,
}

/// A message of which some pieces have come.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Assembly {
    is_text: bool,
    bytes: Vec<u8>,
    fragments: u32,
}

/// What clients send may hold passwords and tokens: only its measure is shown.
impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unserved_bytes = self.partial.as_ref().map_or(0, |partial| {
            partial.carry.len() + partial.message.as_ref().map_or(0, |message| message.bytes.len())
        });
        f.debug_struct("Inbound")
            .field("unserved_bytes", &unserved_bytes)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl Inbound {
    /// Whether nothing is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.partial.is_none()
    }

    /// Whether it is as it was when nothing had come.
    #[must_use]
    pub(crate) const fn is_blank(&self) -> bool {
        self.partial.is_none() && !self.is_over
    }

    /// Everything that it makes the process hold beside itself, at its true size.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let assembled = partial.message.as_ref().map_or(0, |message| message.bytes.capacity());
            size_of::<Partial>() + partial.carry.capacity() + assembled
        })
    }

    /// Serves bytes as they arrived. `serve` is called for each event in order; when it suspends, the rest is kept for
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// The first violation. Everything that still comes is then ignored.
    pub fn feed(
        &mut self,
        bytes: &mut [u8],
        limits: InboundLimits,
        serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
    ) -> Result<(), Violation> {
        let fed = self.try_feed(bytes, limits, serve);
        if fed.is_err() {
            self.is_over = true;
            self.partial = None;
        }
        fed
    }

    /// Keeps bytes that arrived while serving is suspended.
    pub fn keep(&mut self, bytes: &[u8]) {
        if !self.is_over && !bytes.is_empty() {
            append(&mut self.partial.get_or_insert_default().carry, bytes, usize::MAX);
        }
    }

    /// How long the message will be of which a part has come, as far as its frames have said; `None`: none has begun.
    #[must_use]
    pub fn unfinished_bytes(&self) -> Option<usize> {
        let Partial { carry, message } = &**self.partial.as_ref()?;
        let before = message.as_ref().map_or(0, |assembly| assembly.bytes.len());
        let declared = match FrameHeader::parse(carry) {
            Ok(Some(header)) => usize::try_from(header.payload_bytes).unwrap_or(usize::MAX),
            Ok(None) | Err(_) => carry.len(),
        };
        Some(before.saturating_add(declared))
    }

    /// Serves what was kept.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub fn resume(
        &mut self,
        limits: InboundLimits,
        serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
    ) -> Result<(), Violation> {
        let Some(partial) = &mut self.partial else {
            return Ok(());
        };
        let mut kept = std::mem::take(&mut partial.carry);
        self.feed(&mut kept, limits, serve)
    }

    fn try_feed(
        &mut self,
        bytes: &mut [u8],
        limits: InboundLimits,
        serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
    ) -> Result<(), Violation> {
        let Partial { mut carry, mut message } = self.partial.take().map_or_else(Partial::default, |partial| *partial);
        let mut taken = 0;
        if !carry.is_empty() {
            taken = top_up(&mut carry, bytes, message.as_ref(), limits)?;
            let (served, flow) = self.walk(&mut carry, &mut message, limits, serve)?;
            carry.drain(..served);
            if flow == Flow::Suspend || !carry.is_empty() {
                append(&mut carry, &bytes[taken..], usize::MAX);
                self.stash(carry, message);
                return Ok(());
            }
        }
        let fresh = &mut bytes[taken..];
        let (served, _) = self.walk(fresh, &mut message, limits, serve)?;
        if served < fresh.len() || message.is_some() || self.is_over {
            self.stash(fresh[served..].to_vec(), message);
        }
        Ok(())
    }

    /// Serves every whole frame in `bytes`. Returns how many bytes that were, and whether serving was suspended.
    fn walk(
        &mut self,
        bytes: &mut [u8],
        message: &mut Option<Assembly>,
        limits: InboundLimits,
        serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
    ) -> Result<(usize, Flow), Violation> {
        let mut at = 0;
        while !self.is_over {
            let Some(header) = FrameHeader::parse(&bytes[at..])? else {
                break;
            };
            let payload_bytes = checked_payload_bytes(&header, message.as_ref(), limits)?;
            let payload_at = at + header.header_bytes;
            if bytes.len() - payload_at < payload_bytes {
                break;
            }
            at = payload_at + payload_bytes;
            let payload = &mut bytes[payload_at..at];
            unmask(payload, header.mask);
            if self.serve_frame(header, payload, message, limits, serve)? == Flow::Suspend {
                return Ok((at, Flow::Suspend));
            }
        }
        Ok((if self.is_over { bytes.len() } else { at }, Flow::Continue))
    }

    fn serve_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        message: &mut Option<Assembly>,
        limits: InboundLimits,
        serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
    ) -> Result<Flow, Violation> {
        match (header.kind, message.as_mut()) {
            (FrameKind::Ping, _) => Ok(serve(Event::Ping(payload))),
            (FrameKind::Pong, _) => Ok(serve(Event::Pong(payload))),
            (FrameKind::Close, _) => {
                check_close(payload)?;
                self.is_over = true;
                Ok(serve(Event::Close(payload)))
            }
            (FrameKind::Text | FrameKind::Binary, Some(_)) | (FrameKind::Continuation, None) => {
                Err(Violation::Protocol)
            }
            (FrameKind::Text, None) if header.is_final => serve_message(true, payload, serve),
            (FrameKind::Binary, None) if header.is_final => serve_message(false, payload, serve),
            (kind @ (FrameKind::Text | FrameKind::Binary), None) => {
                *message = Some(Assembly {
                    is_text: kind == FrameKind::Text,
                    bytes: payload.to_vec(),
                    fragments: 1,
                });
                Ok(Flow::Continue)
            }
            (FrameKind::Continuation, Some(assembly)) => {
                assembly.fragments += 1;
                if assembly.fragments > limits.max_fragments {
                    return Err(Violation::TooLarge);
                }
                append(&mut assembly.bytes, payload, limits.max_message_bytes);
                if !header.is_final {
                    return Ok(Flow::Continue);
                }
                let Assembly { is_text, bytes, .. } = message.take().expect("matched above");
                serve_message(is_text, &bytes, serve)
            }
        }
    }

    /// Keeps what could not be served yet.
    fn stash(&mut self, mut carry: Vec<u8>, message: Option<Assembly>) {
        if carry.len() < carry.capacity() / 2 {
            carry.shrink_to_fit();
        }
        let nothing = self.is_over || (carry.is_empty() && message.is_none());
        self.partial = (!nothing).then(|| Box::new(Partial { carry, message }));
    }
}

/// Moves bytes behind the carried ones until they are one whole frame, or until there are no more. Returns how many.
fn top_up(
    carry: &mut Vec<u8>,
    bytes: &[u8],
    message: Option<&Assembly>,
    limits: InboundLimits,
) -> Result<usize, Violation> {
    let mut taken = 0;
    let header = loop {
        if let Some(header) = FrameHeader::parse(carry)? {
            break header;
        }
        let Some(next) = bytes.get(taken) else { return Ok(taken) };
        carry.push(*next);
        taken += 1;
    };
    let frame_bytes = header.header_bytes + checked_payload_bytes(&header, message, limits)?;
    let more = frame_bytes.saturating_sub(carry.len()).min(bytes.len() - taken);
    append(carry, &bytes[taken..taken + more], frame_bytes);
    Ok(taken + more)
}

/// Appends bytes to what is kept. It grows by a quarter, so that what is held stays near what came, but not beyond
/// `most_bytes` unless that is needed.
fn append(kept: &mut Vec<u8>, bytes: &[u8], most_bytes: usize) {
    let needed = kept.len() + bytes.len();
    if needed > kept.capacity() {
        let wished = (kept.capacity() + kept.capacity() / 4).min(most_bytes);
        kept.reserve_exact(needed.max(wished) - kept.len());
    }
    kept.extend_from_slice(bytes);
}

/// The payload's length, if it is one that will be waited for.
fn checked_payload_bytes(
    header: &FrameHeader,
    message: Option<&Assembly>,
    limits: InboundLimits,
) -> Result<usize, Violation> {
    let before = message
        .filter(|_| !header.kind.is_control())
        .map_or(0, |assembly| assembly.bytes.len());
    usize::try_from(header.payload_bytes)
        .ok()
        .filter(|bytes| bytes.saturating_add(before) <= limits.max_message_bytes)
        .ok_or(Violation::TooLarge)
}

fn serve_message(
    is_text: bool,
    payload: &[u8],
    serve: &mut (impl FnMut(Event<'_>) -> Flow + ?Sized),
) -> Result<Flow, Violation> {
    if is_text {
        let text = std::str::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)?;
        Ok(serve(Event::Text(text)))
    } else {
        Ok(serve(Event::Binary(payload)))
    }
}

/// Checks the payload of a close frame: RFC 6455, sections 5.5.1 and 7.4.
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    match payload {
        [] => Ok(()),
        [_] => Err(Violation::Protocol),
        [high, low, reason @ ..] => {
            if !may_be_sent(u16::from_be_bytes([*high, *low])) {
                return Err(Violation::Protocol);
            }
            std::str::from_utf8(reason)
                .map(|_| ())
                .map_err(|_| Violation::InvalidUtf8)
        }
    }
}

/// Whether a close code may stand in a frame: those registered at IANA for that, and the ranges of libraries and programs.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Takes the mask off, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let plain = u64::from_ne_bytes((&*word).try_into().expect("chunks of eight")) ^ wide;
        word.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
