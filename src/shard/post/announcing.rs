//! What a room says, on its way to everybody in it: into outboxes here, into the bulletin for its outposts.

use crate::protocol::{FrameBuffer, FrameSpan, Opcode, OperationId, PlayerId, ProtocolVersion, RoomId, ServerMessage};
use crate::room::{ConnectionKey, MissedEvent, Room};
use crate::shard::exchange::message::{OutpostMail, Requester, ShardMessage};
use crate::shard::post::Post;
use crate::shard::post::answering::under;
use crate::shard::world::id::ShardId;
use crate::shard::world::settings::Settings;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V2, ProtocolVersion::V3];

impl<L> Post<L> {
    /// Sends a message to everybody in a room but one.
    pub(in crate::shard) fn tell_room(
        &mut self,
        room: &Room,
        except: Option<ConnectionKey>,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) {
        let encoded = self.tell_all(room.audience(), except, message, now_ms, settings);
        if room.gallery().has_outposts() {
            self.tell_outposts(room, message, None, encoded);
        }
    }

    /// Sends a message to everybody at a room's outposts but one. Returns how long its frames are.
    pub(in crate::shard) fn tell_outposts(
        &mut self,
        room: &Room,
        message: &ServerMessage<'_>,
        except: Option<PlayerId>,
        encoded: [Option<FrameSpan>; 2],
    ) -> usize {
        let encoded = self.encode_afar(room, message, encoded);
        let frames = bytes_of(&encoded, &self.frames);
        self.registry.notify(room.id(), frames, except);
        frames.iter().flatten().map(|frame| frame.len()).sum()
    }

    /// Sends an event of a room to everybody in it but one. The event is returned if somebody is absent who must be told
    /// of it later.
    pub(in crate::shard) fn announce(
        &mut self,
        room: &Room,
        except: Option<ConnectionKey>,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) -> Option<MissedEvent> {
        self.tell_room(room, except, message, now_ms, settings);
        room.missed(message)
    }

    /// The frames of a message in every version that is read at outposts.
    fn encode_afar(
        &mut self,
        room: &Room,
        message: &ServerMessage<'_>,
        mut encoded: [Option<FrameSpan>; 2],
    ) -> [Option<FrameSpan>; 2] {
        let mut is_read = [false; 2];
        for (dialect, _) in room.gallery().read_afar() {
            is_read[usize::from(dialect.version == ProtocolVersion::V3)] = true;
        }
        for (index, version) in VERSIONS.into_iter().enumerate() {
            if !is_read[index] {
                encoded[index] = None;
            } else if encoded[index].is_none() {
                encoded[index] = Some(self.frames.encode(Opcode::Text, |out| message.write_json(version, out)));
            }
        }
        encoded
    }

    /// The frame of an answer to a request, under its id if it came with one.
    pub(in crate::shard) fn encode_answer(
        &mut self,
        version: ProtocolVersion,
        operation: Option<OperationId>,
        message: &ServerMessage<'_>,
    ) -> Box<[u8]> {
        self.frames.clear();
        let span = match operation {
            None => self.frames.encode(Opcode::Text, |out| message.write_json(version, out)),
            Some(id) => {
                let wrapped = under(id, message);
                self.frames.encode(Opcode::Text, |out| wrapped.write_json(version, out))
            }
        };
        self.frames.bytes(&span).into()
    }

    /// Posts what rooms have said.
    pub(in crate::shard) fn post_bulletins(&mut self, settings: &Settings, now_ms: u64) {
        let limit_bytes = settings.outbox.max_bytes;
        self.registry
            .post_all(&mut self.send_queues, &self.counters, limit_bytes, now_ms);
    }

    /// Posts something that has to keep its order among what a room says.
    pub(in crate::shard) fn post_in_order(
        &mut self,
        id: RoomId,
        shard: ShardId,
        mail: OutpostMail,
        settings: &Settings,
        now_ms: u64,
    ) {
        let limit_bytes = settings.outbox.max_bytes;
        self.registry
            .post_bulletin(id, &mut self.send_queues, &self.counters, limit_bytes, now_ms);
        self.send_queues.send(ShardMessage::to_outpost(shard, id, mail));
    }

    /// Parts with a spectator at an outpost: it is told `left` there, if it stays connected, behind all that the room said
    /// before.
    #[expect(clippy::too_many_arguments, reason = "everything that the two ways of leaving need")]
    pub(in crate::shard) fn part_from_outpost(
        &mut self,
        room: RoomId,
        shard: ShardId,
        player: PlayerId,
        leaver: Option<Requester>,
        left: Option<&ServerMessage<'_>>,
        settings: &Settings,
        now_ms: u64,
    ) {
        let mail = match (leaver, left) {
            (Some(leaver), Some(left)) => Some(OutpostMail::Left {
                at: leaver.at,
                player,
                frame: self.encode_answer(leaver.dialect.version, leaver.operation, left),
            }),
            (None, Some(_)) => Some(OutpostMail::Removed { player }),
            (_, None) => None,
        };
        if let Some(mail) = mail {
            self.post_in_order(room, shard, mail, settings, now_ms);
        }
        self.registry.remove_watcher(room, shard);
    }

    /// Advises those at outposts who read only text of what was not delivered to them.
    pub(in crate::shard) fn advise_outposts(
        &mut self,
        room: &Room,
        notice: &ServerMessage<'_>,
        format: Option<crate::protocol::GameDataFormat>,
    ) {
        self.frames.clear();
        let encoded = self.encode_afar(room, notice, [None, None]);
        let frames = bytes_of(&encoded, &self.frames);
        self.registry.advise(room.id(), frames, format);
    }
}

/// The frames of both versions.
fn bytes_of<'a>(encoded: &[Option<FrameSpan>; 2], frames: &'a FrameBuffer) -> [Option<&'a [u8]>; 2] {
    encoded
        .each_ref()
        .map(|span| span.as_ref().map(|span| frames.bytes(span)))
}
