//! Telling an outpost's watchers what their room says.

use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, PlayerId, ProtocolVersion, RoomId, ServerMessage};
use crate::room::MemberRef;
use crate::shard::Shard;
use crate::shard::exchange::bulletin::{Bulletin, Item};
use crate::shard::exchange::message::{Body, Letter, OutpostMail};
use crate::shard::exchange::outposts::{Outpost, Watching};
use crate::shard::outbox::{FrameMark, Lane};
use crate::shard::post::Post;
use crate::shard::state::connection::Connection;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;
use crate::shard::world::settings::Settings;
use crate::shard::world::slots::Slot;

/// Frames that are put into outboxes of watchers in one turn, about: what is left waits for the next turn. Large frames
/// count as several of [`FRAME_BYTES`].
const FRAMES_PER_TURN: usize = 1_024;

/// Bytes that count as one frame at least.
const FRAME_BYTES: usize = 256;

/// Watchers from which on an outpost lets bulletins gather, so that several share a send.
const GATHERING_WATCHERS: usize = 256;

/// For how long, from the begin of one pass to that of the next.
const GATHER_MS: u64 = 20;

impl<L> Shard<L> {
    /// Refuses to end a watching that is over already.
    fn refuse_leaving(&mut self, at: MemberRef, now: Now) {
        debug_assert!(
            !matches!(
                self.post.connections.get(at).and_then(Connection::place),
                Some(Place::Posted(_))
            ),
            "home forgets nobody in silence"
        );
        self.refuse(at, "you are not watching a room", ErrorCode::NotASpectator, now);
    }

    /// Tells watchers what has come for them, as far as a turn allows.
    pub(in crate::shard) fn serve_outposts(&mut self, now: Now) {
        self.serve_outposts_within(FRAMES_PER_TURN, now);
    }

    /// The same without a bound.
    pub(in crate::shard) fn serve_outposts_wholly(&mut self, now: Now) {
        self.outposts.release(u64::MAX);
        while self.outposts.has_mail() {
            self.serve_outposts_within(usize::MAX, now);
        }
    }

    fn serve_outposts_within(&mut self, frames: usize, now: Now) {
        self.outposts.release(now.mono_ms);
        let mut left = frames;
        while left > 0
            && let Some(room) = self.outposts.busy.pop_front()
        {
            left = left.saturating_sub(self.serve_outpost(room, left, now));
            let Some(outpost) = self.outposts.by_room.of(&room).get(&room) else {
                continue;
            };
            if !outpost.mail.is_empty() {
                if outpost.may_gather(now.mono_ms) {
                    self.outposts.gathering.push(room);
                } else {
                    self.outposts.busy.push_back(room);
                }
            } else if outpost.watchers.is_empty() {
                self.outposts.by_room.of_mut(&room).remove(&room);
            }
        }
    }

    /// Takes the first mail of an outpost, or goes on with it. Returns how many frames that was.
    fn serve_outpost(&mut self, room: RoomId, frames: usize, now: Now) -> usize {
        let Some(outpost) = self.outposts.by_room.of_mut(&room).get_mut(&room) else {
            return 0;
        };
        if let Some(OutpostMail::Bulletin(_)) = outpost.mail.front() {
            if outpost.may_gather(now.mono_ms) {
                return 0;
            }
            return tell_slice(outpost, &mut self.post, &self.world.settings, frames, now.mono_ms);
        }
        match outpost.mail.pop_front() {
            None | Some(OutpostMail::Bulletin(_)) => {}
            Some(OutpostMail::Seat { at, player, frame }) => self.take_place(room, at, player, &frame, now),
            Some(OutpostMail::Left { at, player, frame }) => {
                self.outposts_member_gone(room, at);
                if let Some(connection) = self.answered(at, player) {
                    connection.operation = None;
                    self.deliver_answer(at, &frame, now);
                }
            }
            Some(OutpostMail::NotWatching { at, player }) => {
                if self.answered(at, player).is_some() {
                    self.refuse_leaving(at, now);
                }
            }
            Some(OutpostMail::Removed { player }) => {
                let is_it = |watching: &&Watching| watching.player == player;
                let at = outpost.watchers.iter().find(is_it).map(|watching| watching.member.link);
                if let Some(at) = at {
                    self.send_away(room, at, SpectatorReason::Removed, now);
                }
            }
            Some(OutpostMail::Closed) => {
                for at in links(outpost) {
                    self.send_away(room, at, SpectatorReason::RoomClosed, now);
                }
            }
            Some(OutpostMail::Cut) => {
                let farewell = (
                    "your server core could not keep up with the room",
                    ErrorCode::SlowConsumer,
                );
                for at in links(outpost) {
                    self.close(at, CloseCode::SlowConsumer, Some(farewell), now);
                }
            }
        }
        1
    }

    /// Gives a place to a connection that asked for one.
    fn take_place(&mut self, room: RoomId, at: MemberRef, player: PlayerId, frame: &[u8], now: Now) {
        let Some(connection) = self.answered(at, player) else {
            return self.send_gone(room, player); // it did not wait
        };
        connection.operation = None;
        let dialect = connection.session.dialect();
        let member = crate::room::Member { link: at, dialect };
        if let Some(outpost) = self.outposts.by_room.of_mut(&room).get_mut(&room) {
            outpost.watchers.push(Watching { member, player });
        }
        self.occupy(at, Place::Posted(room));
        self.deliver_answer(at, frame, now);
    }

    fn deliver_answer(&mut self, at: MemberRef, frame: &[u8], now: Now) {
        let mark = FrameMark::in_order(now.mono_ms);
        self.post.deliver_bytes(at, frame, &mark, &self.world.settings);
    }

    /// Ends the watching of a connection that stays, and tells it why.
    fn send_away(&mut self, room: RoomId, at: MemberRef, reason: SpectatorReason, now: Now) {
        self.outposts_member_gone(room, at);
        let left = ServerMessage::SpectatorLeft {
            room_id: Some(room),
            room_code: None,
            reason,
            current_spectators: Vec::new(),
        };
        self.tell(at, &left, now);
    }

    /// Takes a connection out of an outpost; home knows, or is told by the caller.
    fn outposts_member_gone(&mut self, room: RoomId, at: MemberRef) {
        // Not by `Outposts::remove`: the outpost's mail is being served.
        let removed = self
            .outposts
            .by_room
            .of_mut(&room)
            .get_mut(&room)
            .and_then(|outpost| outpost.remove(at));
        if removed.is_some() {
            self.release(at);
        }
    }

    /// Tells the homes of rooms when their watchers here were last heard of.
    pub(in crate::shard) fn report_signs_of_life(&mut self) {
        for (room, outpost) in self.outposts.by_room.iter_mut().flatten() {
            let connections = &self.post.connections;
            let heard = |watching: &Watching| {
                let known = connections.get(watching.member.link);
                known.map_or(0, |known| known.last_inbound_ms)
            };
            let heard_ms = outpost.watchers.iter().map(heard).max().unwrap_or(0);
            if heard_ms > outpost.heard_ms {
                outpost.heard_ms = heard_ms;
                let target = self.world.slots.owner(Slot::new(room.slot()));
                let body = Body::SignOfLife { room: *room, heard_ms };
                self.post.couriers.send(Letter { target, body });
            }
        }
    }
}

fn links(outpost: &Outpost) -> Vec<MemberRef> {
    outpost.watchers.iter().map(|watching| watching.member.link).collect()
}

/// Tells the bulletins at the front to as many watchers as so many frames allow, at least one. Returns how many frames
/// that was.
fn tell_slice<L>(outpost: &mut Outpost, post: &mut Post<L>, settings: &Settings, frames: usize, now_ms: u64) -> usize {
    if outpost.pass == 0 {
        let is_bulletin = |mail: &&OutpostMail| matches!(mail, OutpostMail::Bulletin(_));
        outpost.pass = outpost.mail.iter().take_while(is_bulletin).count();
        let gathers = outpost.watchers.len() >= GATHERING_WATCHERS && outpost.pass == outpost.mail.len();
        outpost.next_pass_ms = if gathers { now_ms.saturating_add(GATHER_MS) } else { 0 };
    }
    let consignments: Vec<_> = outpost
        .mail
        .iter()
        .take(outpost.pass)
        .filter_map(|mail| match mail {
            OutpostMail::Bulletin(consignment) => Some(consignment),
            _ => None,
        })
        .collect();
    let cost = |bulletin: &Bulletin| bulletin.items.len().max(bulletin.frame_bytes() / FRAME_BYTES);
    let cost: usize = consignments.iter().map(|known| cost(&known.bulletin)).sum();
    let slice = (frames / cost.max(1)).max(1);
    let end = outpost.told.saturating_add(slice).min(outpost.watchers.len());
    let mut deliveries = 0;
    for watching in &outpost.watchers[outpost.told..end] {
        for consignment in &consignments {
            deliveries += tell(
                &consignment.bulletin,
                watching,
                consignment.posted_at_ms,
                post,
                settings,
            );
        }
    }
    post.counters.deliveries.add(deliveries);
    let told = (end - outpost.told) * cost;
    outpost.told = end;
    if end == outpost.watchers.len() {
        outpost.mail.drain(..outpost.pass);
        (outpost.told, outpost.pass) = (0, 0);
    }
    told.max(1)
}

/// Tells one watcher a bulletin. Returns how many messages of players it got.
fn tell<L>(bulletin: &Bulletin, to: &Watching, at_ms: u64, post: &mut Post<L>, settings: &Settings) -> u64 {
    let (link, dialect) = (to.member.link, to.member.dialect);
    let is_accountable = dialect.version >= ProtocolVersion::V3;
    let mut deliveries = 0;
    for item in &bulletin.items {
        match item {
            Item::Data { origin, format, frames } => match &frames[Shape::of(*format, dialect).index()] {
                Some(place) => {
                    let mark = FrameMark {
                        queued_at_ms: at_ms,
                        lane: Lane::Data,
                        origin: Some(*origin),
                    };
                    deliveries += u64::from(post.deliver_bytes(link, bulletin.frame(place), &mark, settings));
                }
                None => {
                    post.counters.undeliverable.add(1);
                    if is_accountable {
                        post.miss(link, origin, GapReason::UnsupportedFormat);
                    }
                }
            },
            Item::Missed { origin, reason } if is_accountable => {
                post.counters.note_missed(*reason);
                post.miss(link, origin, *reason);
            }
            // Version 2 knows no data that may be left out.
            Item::Missed { .. } => post.doom(link, CloseCode::SlowConsumer),
            Item::Notice { forms, except } => {
                if *except != Some(to.player)
                    && let Some(place) = forms.of(dialect)
                {
                    let mark = FrameMark::in_order(at_ms);
                    post.deliver_bytes(link, bulletin.frame(&place), &mark, settings);
                }
            }
            Item::Advice { forms, format } => {
                if matches!(Shape::of(*format, dialect), Shape::Text(_))
                    && let Some(place) = forms.of(dialect)
                    && post.may_advise(link)
                {
                    let mark = FrameMark::in_order(at_ms);
                    post.deliver_bytes(link, bulletin.frame(&place), &mark, settings);
                }
            }
        }
    }
    deliveries
}
