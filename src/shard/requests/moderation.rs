//! What the authority of a room does to it. Only room operations ask for it.

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, OperationResult, PlayerId, Refusal, Secret};
use crate::room::{ConnectionKey, ModerationRefusal, Removed, Room};
use crate::shard::Shard;
use crate::shard::requests::checks::check_password;
use crate::shard::state::room_event::{Remover, RoomNews};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `KickPlayer`.
    pub(in crate::shard) fn kick_player(&mut self, at: ConnectionKey, target: PlayerId, now: Now) {
        let answer = OperationResult::PlayerKicked { player_id: target };
        self.remove_player(at, target, Room::kick, answer, now);
    }

    /// Serves `BanPlayer`.
    pub(in crate::shard) fn ban_player(&mut self, at: ConnectionKey, target: PlayerId, now: Now) {
        let answer = OperationResult::PlayerBanned { player_id: target };
        self.remove_player(at, target, Room::ban, answer, now);
    }

    fn remove_player(
        &mut self,
        at: ConnectionKey,
        target: PlayerId,
        removal: fn(&mut Room, PlayerId, PlayerId, u64) -> Result<Removed, ModerationRefusal>,
        answer: OperationResult<'_>,
        now: Now,
    ) {
        let Some((room_key, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let removed = removal(room, player, target, now.mono_ms);
        if removed.is_ok() {
            let by = match answer {
                OperationResult::PlayerBanned { .. } => Remover::AuthorityForGood,
                _ => Remover::Authority,
            };
            self.note_news(room_key, now, |_| RoomNews::Removed { player: target, by });
        }
        self.finish_removal(at, room_key, removed, answer, now);
    }

    /// Ends what a removed player still has of the room, tells those who stay, and answers the authority last.
    fn finish_removal(
        &mut self,
        at: ConnectionKey,
        room_key: RoomKey,
        removed: Result<Removed, ModerationRefusal>,
        answer: OperationResult<'_>,
        now: Now,
    ) {
        match removed {
            Err(refusal) => return self.refuse(at, refusal, now),
            Ok(Removed::Seated(link)) => {
                let why = Refusal::new(ErrorCode::Kicked, "the room's authority removed you");
                self.close(link, CloseCode::Kicked, Some(why), now);
            }
            Ok(Removed::Watching(watcher)) => {
                self.end_watching(room_key, watcher, SpectatorReason::Removed, None, now);
            }
            Ok(Removed::Absent) => {}
        }
        self.post.counters.removals.add(1);
        match answer {
            OperationResult::PlayerBanned { .. } => self.post.counters.bans.add(1),
            _ => self.post.counters.kicks.add(1),
        }
        self.answer_operation(at, answer, now);
    }

    /// Serves `UnbanPlayer`.
    pub(in crate::shard) fn unban_player(&mut self, at: ConnectionKey, target: PlayerId, now: Now) {
        let Some((room_key, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        match room.unban(player, target, now.mono_ms) {
            Err(refusal) => self.refuse(at, refusal, now),
            Ok(()) => {
                self.post.counters.unbans.add(1);
                self.answer_operation(at, OperationResult::PlayerUnbanned { player_id: target }, now);
            }
        }
    }

    /// Serves `SetRoomAccess`.
    pub(in crate::shard) fn set_room_access(&mut self, at: ConnectionKey, password: Option<Secret>, now: Now) {
        let Some((room_key, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let allowed = room.check_authority(player).map_err(Refusal::from);
        let changed = allowed
            .and_then(|()| check_password(password.as_ref()))
            .and_then(|()| room.set_access(player, password, now.mono_ms).map_err(Refusal::from));
        match changed {
            Err(refusal) => self.refuse(at, refusal, now),
            Ok(requires_password) => {
                self.answer_operation(at, OperationResult::RoomAccessUpdated { requires_password }, now);
            }
        }
    }

    /// Serves `TransferAuthority`.
    pub(in crate::shard) fn transfer_authority(&mut self, at: ConnectionKey, heir: PlayerId, now: Now) {
        let Some((room_key, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        match room.transfer_authority(player, heir, now.mono_ms) {
            Err(refusal) => self.refuse(at, refusal, now),
            Ok(()) => {
                self.announce_authority(room_key, now);
                self.answer_operation(at, OperationResult::AuthorityTransferred { player_id: heir }, now);
            }
        }
    }
}
