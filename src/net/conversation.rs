//! From the bytes of a connection to the shard that serves them.
//!
//! Sans-I/O: the bytes come from a socket, a simulator or an archive, and nothing here can tell.

use super::websocket::{Event, Inbound, InboundLimits, Violation};
use crate::room::ConnectionKey;
use crate::shard::{Flow, Now, Settings, Shard};

/// A link that keeps what arrived of a message that is not yet complete.
pub trait Wire {
    /// What is kept.
    fn inbound(&mut self) -> &mut Inbound;
}

/// The barest link: for callers without a socket.
impl Wire for Inbound {
    fn inbound(&mut self) -> &mut Inbound {
        self
    }
}

/// How much of a message that is not yet complete is kept: twice what is served, so that the lower half can be refused
/// politely.
#[must_use]
pub fn inbound_limits(settings: &Settings) -> InboundLimits {
    InboundLimits {
        max_message_bytes: settings.messages.max_inbound_bytes.saturating_mul(2),
        max_fragments: settings.messages.max_fragments,
    }
}

/// The most frames of one connection that are served at once. Of 64 KiB of the smallest, 10,922 fit into a read: their answers
/// alone would take milliseconds.
const MAX_FRAMES_AT_ONCE: usize = 1_024;

/// Serves bytes that arrived on a connection. They are unmasked where they lie. After a suspension the rest is kept, and
/// nothing more must be fed before it was [resumed](resume).
pub fn feed<L: Wire>(
    shard: &mut Shard<L>,
    at: ConnectionKey,
    bytes: &mut [u8],
    limits: InboundLimits,
    now: Now,
) -> Flow {
    let Some((link, awaits_shard)) = shard.link_and_wait(at) else {
        return Flow::Continue;
    };
    if awaits_shard {
        link.inbound().keep(bytes);
        return Flow::Suspend;
    }
    // Taken out while it is read, because serving needs the shard as a whole.
    let inbound = std::mem::take(link.inbound());
    serve_from(shard, at, inbound, now, |inbound, serve| {
        inbound.feed(bytes, limits, serve)
    })
}

/// Serves what was kept while a connection moved, waited for another shard, or its room had to wait, or while it was frozen.
pub fn resume<L: Wire>(shard: &mut Shard<L>, at: ConnectionKey, limits: InboundLimits, now: Now) -> Flow {
    if shard.awaits_shard(at) {
        return Flow::Suspend;
    }
    if shard.is_unfinished(at) {
        return Flow::Continue; // all that came was looked at before, and is no new sign of life
    }
    let Some(link) = shard.link_mut(at) else {
        return Flow::Continue;
    };
    let inbound = std::mem::take(link.inbound());
    serve_from(shard, at, inbound, now, |inbound, serve| inbound.resume(limits, serve))
}

fn serve_from<L: Wire>(
    shard: &mut Shard<L>,
    at: ConnectionKey,
    mut inbound: Inbound,
    now: Now,
    read: impl FnOnce(&mut Inbound, &mut dyn FnMut(Event<'_>) -> Flow) -> Result<(), Violation>,
) -> Flow {
    let mut flow = Flow::Continue;
    let mut frames = 0;
    let mut is_complete = false;
    let was_unfinished = !inbound.is_empty();
    let read = read(&mut inbound, &mut |event| {
        frames += 1;
        is_complete |= matches!(event, Event::Text(_) | Event::Binary(_));
        flow = serve(shard, at, event, now);
        if frames >= MAX_FRAMES_AT_ONCE {
            flow = Flow::Suspend;
        }
        flow
    });
    if !inbound.is_blank() {
        let unfinished = if flow == Flow::Suspend {
            None // what is kept waits for us
        } else {
            inbound.unfinished_bytes()
        };
        if let Some(link) = shard.link_mut(at) {
            *link.inbound() = inbound;
        }
        if was_unfinished && is_complete {
            shard.note_unfinished(at, None, now);
        }
        if was_unfinished || unfinished.is_some() {
            shard.note_unfinished(at, unfinished, now);
        }
    } else if was_unfinished {
        shard.note_unfinished(at, None, now);
    }
    if let Err(violation) = read {
        shard.on_violation(at, violation.close_code(), now);
        flow = Flow::Continue;
    }
    flow
}

fn serve<L>(shard: &mut Shard<L>, at: ConnectionKey, event: Event<'_>, now: Now) -> Flow {
    match event {
        Event::Text(text) => shard.on_text(at, text, now),
        Event::Binary(payload) => shard.on_binary(at, payload, now),
        Event::Ping(payload) => {
            shard.on_control_frame(at, now);
            shard.pong(at, payload, now);
            Flow::Continue
        }
        Event::Pong(payload) => {
            shard.on_pong(at, payload, now);
            Flow::Continue
        }
        Event::Close(payload) => {
            shard.on_peer_close(at, payload, now);
            Flow::Continue
        }
    }
}
