//! Game data: from one member to all others, encoded once per shape, appended to each outbox.
//!
//! This is the path that everything else exists for: no lock, no reference count, no system call, and no allocation once
//! the buffers have grown to the room's size.

use crate::budget::Charge;
use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::{Content, OutgoingGameData, Shape, Undeliverable};
use crate::protocol::{DeliveryClass, ErrorCode, FrameSpan, GameDataFormat, ProtocolVersion, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::room::Room;
use crate::session::AccessPolicy;
use crate::shard::Shard;
use crate::shard::outbox::{FrameMark, FrameOrigin, Lane};
use crate::shard::post::Post;
use crate::shard::refusal::{no_seat, too_large};
use crate::shard::state::connection::Connection;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::rooms::{Relayer, Rooms};
use crate::shard::state::share::FRAME_COST_BYTES;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::RefusalReason;
use crate::shard::world::settings::Settings;

impl<L> Shard<L> {
    /// Relays a message of a connection that may be served; says whether it was accepted. A refusal is answered.
    ///
    /// The sender's connection and its room are looked up once each.
    pub(in crate::shard) fn relay(&mut self, at: ConnectionKey, content: Content<'_>, now: Now) -> bool {
        let settings = &self.world.settings;
        let Some(connection) = self.post.connections.get_mut(at) else {
            return false;
        };
        let admitted = admit(
            connection,
            &mut self.rooms,
            &self.access,
            settings,
            &content,
            now.mono_ms,
        );
        let app_meter = connection.app_meter;
        let (room_key, Relayer { room, share, tail }) = match admitted {
            Ok(admitted) => admitted,
            Err((refusal, limit)) => {
                match limit {
                    Some(Limit::OfSender) => self.post.counters.relay_limited.add(1),
                    Some(Limit::OfRoom) => self.post.counters.room_relay_limited.add(1),
                    None => {}
                }
                self.refuse(at, refusal, now);
                return false;
            }
        };
        let Some((sender, stamp)) = room.stamp(at, now.mono_ms) else {
            return true;
        };
        let format = content.format().unwrap_or(GameDataFormat::Json);
        room.note_relayed(format, content.payload_bytes() as u64);
        let origin = FrameOrigin {
            sender,
            epoch: stamp.epoch,
            seq: stamp.seq,
            class: content.class(),
            key: content.key(),
        };
        let mark = FrameMark {
            queued_at_ms: now.mono_ms,
            lane: Lane::Data,
            origin: Some(origin),
        };
        let message = OutgoingGameData { sender, stamp, content };
        if let Some(kept) = tail
            && !kept.note(&message, now)
        {
            *tail = None;
        }
        let post = &mut self.post;
        post.frames.clear();
        let mut encoded: [Option<Result<FrameSpan, Undeliverable>>; Shape::COUNT] = [const { None }; Shape::COUNT];
        let mut attempted = 0;
        let mut delivered = 0;
        let mut delivered_bytes = 0;
        let mut undeliverable: Option<(Undeliverable, u64)> = None;
        for member in room
            .audience()
            .into_iter()
            .flatten()
            .filter(|member| member.connection != at)
        {
            attempted += 1;
            let shape = message.shape_for(member.dialect);
            match encoded[shape.index()].get_or_insert_with(|| message.encode(shape, &mut post.frames)) {
                Ok(frame) => {
                    delivered += u64::from(post.deliver(member.connection, frame, &mark, settings));
                    delivered_bytes += frame.len_bytes() + FRAME_COST_BYTES;
                }
                Err(why) => {
                    undeliverable = Some((*why, undeliverable.map_or(1, |(_, count)| count + 1)));
                    if member.dialect.version >= ProtocolVersion::V3 {
                        post.miss(member.connection, &origin, GapReason::UnsupportedFormat);
                    }
                }
            }
        }
        if room.gallery().has_outposts() {
            let missed_afar = tell_afar(post, room, &message, origin, &mut encoded);
            undeliverable = undeliverable.or(missed_afar.map(|why| (why, 0)));
        }
        post.counters.game_data_messages.add(1);
        post.counters.relay_bytes.add(content.payload_bytes() as u64);
        post.counters.deliveries.add(delivered);
        post.counters.game_data[origin.class as usize].attempted.add(attempted);
        if let Some(meter) = app_meter {
            self.app_meters.note(meter, content.payload_bytes() as u64);
        }
        self.turn.charge(share, delivered_bytes);
        if let Some((why, receivers)) = undeliverable {
            post.counters.undeliverable.add(receivers);
            self.give_notice(at, room_key, why, &message, now);
        }
        true
    }

    /// Tells the receivers that were passed over that something of this sender is missing, and the sender that it reached
    /// only some, at most once per interval.
    fn give_notice(
        &mut self,
        at: ConnectionKey,
        room_key: RoomKey,
        why: Undeliverable,
        message: &OutgoingGameData<'_>,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(room_key) else {
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
            .filter(|member| member.connection != at && matches!(message.shape_for(member.dialect), Shape::Text(_)))
            .map(|member| member.connection)
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
        self.refuse(at, Refusal::new(code, own), now);
        let notice = ServerMessage::Error {
            message: &text,
            error_code: ErrorCode::UnsupportedGameDataFormat,
        };
        if afar > 0
            && let Some(room) = self.rooms.get(room_key)
        {
            self.post.advise_outposts(room, &notice, message.content.format());
        }
        for receiver in passed_over {
            if !self.post.may_advise(receiver) {
                continue;
            }
            // Not charged to its budget of refusals: it asked for nothing, and others must not be able to close it.
            self.note_refusal(
                receiver,
                RefusalReason::Error(ErrorCode::UnsupportedGameDataFormat),
                &text,
                now,
            );
            self.tell(receiver, &notice, now);
        }
    }
}

/// A limit of bytes in a window.
enum Limit {
    OfSender,
    OfRoom,
}

/// The room into which a connection may relay a message now, if it may; the message is charged then.
fn admit<'r, L>(
    connection: &mut Connection<L>,
    rooms: &'r mut Rooms,
    access: &AccessPolicy,
    settings: &Settings,
    content: &Content<'_>,
    now_ms: u64,
) -> Result<(RoomKey, Relayer<'r>), (Refusal, Option<Limit>)> {
    let place = connection.place();
    let session = &mut connection.session;
    if let Content::Json { class, key, .. } = content
        && (class.is_some() || key.is_some())
        && let Some(advice) = misuse_of_classes(session.dialect().version, *class, *key)
    {
        return Err((Refusal::new(ErrorCode::InvalidDeliveryClass, advice), None));
    }
    let (format, bytes) = (
        content.format().unwrap_or(GameDataFormat::Json),
        content.payload_bytes(),
    );
    if let Some(cap_bytes) = settings.messages.game_data_cap(format)
        && bytes > cap_bytes
    {
        return Err((too_large(bytes, cap_bytes), None));
    }
    let Some(Place::Seated(room_key)) = place else {
        return Err((no_seat(), None));
    };
    let granted = session.grant().and_then(|grant| grant.relay_bytes);
    let own_limit = granted.or_else(|| access.terms(session.app())?.relay_bytes);
    let (budgets, charged) = (&settings.budgets, bytes as u64);
    let limit = own_limit.unwrap_or(budgets.relay_bytes);
    if let Charge::Refused { retry_after_secs } = session.allowance.charge_relay(charged, limit, budgets, now_ms) {
        return Err((used_up("you relay", retry_after_secs), Some(Limit::OfSender)));
    }
    let relayer = rooms.relayer(room_key).ok_or_else(|| (no_seat(), None))?;
    let of_room = relayer
        .room
        .charge_relay(charged, budgets.room_relay_bytes, budgets.window_ms, now_ms);
    if let Err(retry_after_secs) = of_room {
        session.allowance.refund_relay(charged);
        return Err((used_up("this room relays", retry_after_secs), Some(Limit::OfRoom)));
    }
    if content.class() == DeliveryClass::Reliable {
        connection.free_rate.charge(bytes, &settings.pacing, now_ms);
    }
    Ok((room_key, relayer))
}

#[cold]
fn used_up(who: &str, retry_after_secs: u64) -> Refusal {
    let text = format!("{who} too many bytes; try again in {retry_after_secs} seconds");
    Refusal::new(ErrorCode::RateLimitExceeded, text)
}

/// What is wrong with the class and key of a message, if anything.
#[cold]
fn misuse_of_classes(version: ProtocolVersion, class: Option<DeliveryClass>, key: Option<u32>) -> Option<&'static str> {
    if version != ProtocolVersion::V3 {
        return Some("class and key need protocol version 3; leave them out");
    }
    let is_latest = class == Some(DeliveryClass::Latest);
    (is_latest != key.is_some()).then_some("latest needs a key; reliable and volatile have none")
}

/// Says a message in the room's bulletin too. Returns why some at its outposts are passed over, if some are.
#[cold]
fn tell_afar<L>(
    post: &mut Post<L>,
    room: &Room,
    message: &OutgoingGameData<'_>,
    origin: FrameOrigin,
    encoded: &mut [Option<Result<FrameSpan, Undeliverable>>; Shape::COUNT],
) -> Option<Undeliverable> {
    let mut missed = None;
    for (dialect, _) in room.gallery().read_afar() {
        let shape = message.shape_for(dialect);
        let encoded = encoded[shape.index()].get_or_insert_with(|| message.encode(shape, &mut post.frames));
        if let Err(why) = encoded {
            missed.get_or_insert(*why);
        }
    }
    let frames = encoded.each_ref().map(|frame| match frame {
        Some(Ok(span)) => Some(post.frames.bytes(span)),
        None | Some(Err(_)) => None,
    });
    post.registry.say(room.id(), origin, message.content.format(), frames);
    missed
}
