//! Game data: from one member to all others, encoded once per shape, appended to each outbox.
//!
//! This is the path that everything else exists for: no lock, no reference count, no system call, and no allocation once
//! the buffers have grown to the room's size.

use crate::budget::Charge;
use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::{Content, OutgoingGameData, Shape, Undeliverable};
use crate::protocol::{DeliveryClass, ErrorCode, FrameSpan, GameData, GameDataFormat, ProtocolVersion, ServerMessage};
use crate::room::MemberRef;
use crate::shard::Shard;
use crate::shard::outbox::{FrameMark, FrameOrigin, Lane};
use crate::shard::state::rooms::RoomRef;
use crate::shard::state::share::FRAME_COST_BYTES;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    pub(in crate::shard) fn relay_json(&mut self, at: MemberRef, message: &GameData<'_>, now: Now) {
        if (message.class.is_some() || message.key.is_some())
            && let Some(advice) = self.misuse_of_classes(at, message)
        {
            return self.refuse(at, advice, ErrorCode::InvalidDeliveryClass, now);
        }
        let class = message.class.unwrap_or(DeliveryClass::Reliable);
        let Some(room_ref) = self.may_relay(at, GameDataFormat::Json, class, message.payload.len(), now) else {
            return;
        };
        let content = Content::Json {
            payload: message.payload,
            class: message.class,
            key: message.key,
        };
        self.relay(at, room_ref, content, message.payload.len(), now);
    }

    /// What is wrong with the class and key of a message, if anything.
    fn misuse_of_classes(&self, at: MemberRef, message: &GameData<'_>) -> Option<&'static str> {
        if self.version_of(at) != Some(ProtocolVersion::V3) {
            return Some("class and key need protocol version 3; leave them out");
        }
        let is_latest = message.class == Some(DeliveryClass::Latest);
        (is_latest != message.key.is_some()).then_some("latest needs a key; reliable and volatile have none")
    }

    /// Relays a binary message; says whether it was accepted.
    pub(in crate::shard) fn relay_binary(
        &mut self,
        at: MemberRef,
        format: GameDataFormat,
        payload: &[u8],
        now: Now,
    ) -> bool {
        let room = self.may_relay(at, format, DeliveryClass::Reliable, payload.len(), now);
        if let Some(room_ref) = room {
            self.relay(at, room_ref, Content::Binary { format, payload }, payload.len(), now);
        }
        room.is_some()
    }

    /// The room into which a member may relay so many payload bytes now; they are charged. A refusal is answered.
    fn may_relay(
        &mut self,
        at: MemberRef,
        format: GameDataFormat,
        class: DeliveryClass,
        bytes: usize,
        now: Now,
    ) -> Option<RoomRef> {
        if let Some(cap) = self.world.settings.messages.game_data_cap(format)
            && bytes > cap
        {
            self.refuse_too_large(at, bytes, cap, now);
            return None;
        }
        let (room_ref, _) = self.require_seat(at, now)?;
        let settings = &self.world.settings;
        let connection = self.post.connections.get_mut(at)?;
        let session = &mut connection.session;
        let own_limit = self.access.terms(session.app()).and_then(|terms| terms.relay_bytes);
        let limit = own_limit.unwrap_or(settings.budgets.relay_bytes);
        let mine = session
            .allowance
            .charge_relay(bytes as u64, limit, &settings.budgets, now.mono_ms);
        let refused = match mine {
            Charge::Refused { retry_after_secs } => Some(("you relay", retry_after_secs)),
            Charge::Accepted => {
                let room = self.rooms.get_mut(room_ref)?;
                let budgets = &settings.budgets;
                let left = room.charge_relay(bytes as u64, budgets.room_relay_bytes, budgets.window_ms, now.mono_ms);
                left.err().map(|retry_after_secs| {
                    session.allowance.refund_relay(bytes as u64);
                    ("this room relays", retry_after_secs)
                })
            }
        };
        if refused.is_none() && class == DeliveryClass::Reliable {
            connection.free_rate.charge(bytes, &settings.pacing, now.mono_ms);
        }
        if let Some((who, secs)) = refused {
            let message = format!("{who} too many bytes; try again in {secs} seconds");
            self.refuse(at, &message, ErrorCode::RateLimitExceeded, now);
        }
        refused.is_none().then_some(room_ref)
    }

    fn relay(&mut self, at: MemberRef, room_ref: RoomRef, content: Content<'_>, bytes: usize, now: Now) {
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        let Some((sender, stamp)) = room.stamp(at, now.mono_ms) else {
            return;
        };
        let class = match content {
            Content::Json { class, .. } => class.unwrap_or(DeliveryClass::Reliable),
            Content::Binary { .. } => DeliveryClass::Reliable,
        };
        let key = match content {
            Content::Json { key, .. } => key.unwrap_or(0),
            Content::Binary { .. } => 0,
        };
        let origin = FrameOrigin {
            sender,
            epoch: stamp.epoch,
            seq: stamp.seq,
            class,
            key,
        };
        let mark = FrameMark {
            queued_at_ms: now.mono_ms,
            lane: Lane::Data,
            origin: Some(origin),
        };
        let message = OutgoingGameData { sender, stamp, content };
        let post = &mut self.post;
        post.frames.clear();
        let mut encoded: [Option<Result<FrameSpan, Undeliverable>>; Shape::COUNT] = [const { None }; Shape::COUNT];
        let mut delivered = 0;
        let mut delivered_bytes = 0;
        let mut undeliverable: Option<(Undeliverable, u64)> = None;
        for member in room.audience().into_iter().flatten().filter(|member| member.link != at) {
            let shape = message.shape_for(member.dialect);
            match encoded[shape.index()]
                .get_or_insert_with(|| message.encode(shape, &mut post.frames))
                .clone()
            {
                Ok(frame) => {
                    delivered += u64::from(post.deliver(member.link, &frame, mark, &self.world.settings));
                    delivered_bytes += frame.len_bytes() + FRAME_COST_BYTES;
                }
                Err(why) => {
                    undeliverable = Some((why, undeliverable.map_or(1, |(_, count)| count + 1)));
                    if member.dialect.version >= ProtocolVersion::V3 {
                        post.miss(member.link, &origin, GapReason::UnsupportedFormat);
                    }
                }
            }
        }
        if room.gallery().has_outposts() {
            for (dialect, _) in room.gallery().read_afar() {
                let shape = message.shape_for(dialect);
                let encoded = encoded[shape.index()].get_or_insert_with(|| message.encode(shape, &mut post.frames));
                if let Err(why) = encoded {
                    undeliverable.get_or_insert((*why, 0));
                }
            }
            let frames = encoded.each_ref().map(|frame| match frame {
                Some(Ok(span)) => Some(post.frames.bytes(span)),
                None | Some(Err(_)) => None,
            });
            post.branches.say(room.id(), origin, content.format(), frames);
        }
        post.counters.game_data_messages.add(1);
        post.counters.relay_bytes.add(bytes as u64);
        post.counters.deliveries.add(delivered);
        self.rooms.charge_turn(room_ref, &mut self.turn, delivered_bytes);
        if let Some((why, receivers)) = undeliverable {
            post.counters.undeliverable.add(receivers);
            self.give_notice(at, room_ref, why, &message, now);
        }
    }

    /// Tells the receivers that were passed over that something of this sender is missing, and the sender that it reached
    /// only some, at most once per interval.
    fn give_notice(
        &mut self,
        at: MemberRef,
        room_ref: RoomRef,
        why: Undeliverable,
        message: &OutgoingGameData<'_>,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        let Some(kept_back) = room.undeliverable_notice(at).and_then(|notice| notice.due(now.mono_ms)) else {
            return;
        };
        let more = if kept_back > 0 {
            format!(" ({kept_back} more before this one)")
        } else {
            String::new()
        };
        let text = format!(
            "game data of player {} could not be delivered to you: {why}{more}",
            message.sender
        );
        let passed_over: Vec<_> = room
            .audience()
            .into_iter()
            .flatten()
            .filter(|member| member.link != at && matches!(message.shape_for(member.dialect), Shape::Text(_)))
            .map(|member| member.link)
            .collect();
        let is_passed_over = |(dialect, _): &(_, usize)| matches!(message.shape_for(*dialect), Shape::Text(_));
        let afar: usize = room
            .gallery()
            .read_afar()
            .filter(is_passed_over)
            .map(|(_, count)| count)
            .sum();
        let own = format!(
            "your game data did not reach {} of the room: {why}{more}",
            passed_over.len() + afar
        );
        // On version 3 the code is kept for receivers: published clients demand a report of a gap before it.
        let code = match self.version_of(at) {
            Some(ProtocolVersion::V3) => ErrorCode::InvalidInput,
            _ => ErrorCode::UnsupportedGameDataFormat,
        };
        self.refuse(at, &own, code, now);
        let notice = ServerMessage::Error {
            message: &text,
            error_code: ErrorCode::UnsupportedGameDataFormat,
        };
        if afar > 0
            && let Some(room) = self.rooms.get(room_ref)
        {
            self.post.advise_outposts(room, &notice, message.content.format());
        }
        for receiver in passed_over {
            if !self.post.may_advise(receiver) {
                continue;
            }
            // Not charged to its budget of refusals: it asked for nothing, and others must not be able to close it.
            self.tell(receiver, &notice, now);
        }
    }
}
