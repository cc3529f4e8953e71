//! What a room is, and what can be asked of it without a rule.

use super::bans::Bans;
use super::disconnected_seat::DisconnectedSeats;
use super::gallery::Gallery;
use super::peer_session::PeerSession;
use super::record::RoomRecord;
use super::roster::{ConnectionKey, Member, Roster, Seat, UndeliverableNotice};
use crate::budget::{Window, charge};
use crate::clock::{ClockChange, Moments};
use crate::protocol::server_message::PlayerInfo;
use crate::protocol::{AppId, ConnectionInfo, GameDataFormat, LobbyState, PlayerId, RoomCode, RoomId, Secret, Stamp};

/// One room.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Room {
    pub(super) id: RoomId,
    pub(super) game_name: Box<str>,
    pub(super) code: RoomCode,
    /// The application whose players alone can find the room; `None` until a labelled player adopts it.
    pub(super) owner: Option<AppId>,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    pub(super) password: Option<Secret>,
    /// Whether the game was started; never goes back.
    pub(super) is_started: bool,
    /// How the members of the started game reach each other.
    pub(super) peer_session: Option<PeerSession>,
    pub(super) authority: Option<PlayerId>,
    pub(super) roster: Roster,
    pub(super) gallery: Gallery,
    pub(super) disconnected_seats: DisconnectedSeats,
    pub(super) bans: Bans,
    /// The most spectators; `None`: no limit.
    pub(super) max_spectators: Option<u16>,
    /// Milliseconds of the shard's monotonic clock.
    pub(super) last_activity_ms: u64,
    pub(super) relay_window: Window,
    pub(super) relay_bytes: u64,
    /// What has happened, for the operator.
    pub(super) record: RoomRecord,
}

/// What a new room is made of. Already validated.
#[derive(Debug)]
pub struct RoomSettings {
    /// The room's id, which carries its slot.
    pub id: RoomId,
    /// The namespace of the code.
    pub game_name: Box<str>,
    /// The room's code.
    pub code: RoomCode,
    /// The creator's application.
    pub owner: Option<AppId>,
    /// Seats.
    pub max_players: u8,
    /// Whether there can be an authority.
    pub supports_authority: bool,
    /// What joiners must know.
    pub password: Option<Secret>,
    /// The most spectators; `None`: no limit.
    pub max_spectators: Option<u16>,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub fn new(settings: RoomSettings, now_ms: u64) -> Self {
        let RoomSettings {
            id,
            game_name,
            code,
            owner,
            max_players,
            supports_authority,
            password,
            max_spectators,
        } = settings;
        Self {
            id,
            game_name,
            code,
            owner,
            max_players,
            supports_authority,
            password,
            is_started: false,
            peer_session: None,
            authority: None,
            roster: Roster::default(),
            gallery: Gallery::default(),
            disconnected_seats: DisconnectedSeats::default(),
            bans: Bans::default(),
            max_spectators,
            last_activity_ms: now_ms,
            relay_window: Window::begin(now_ms),
            relay_bytes: 0,
            record: RoomRecord::default(),
        }
    }

    /// The room's id.
    #[must_use]
    pub const fn id(&self) -> RoomId {
        self.id
    }

    /// The namespace of the code.
    #[must_use]
    pub fn game_name(&self) -> &str {
        &self.game_name
    }

    /// The room's code.
    #[must_use]
    pub const fn code(&self) -> &RoomCode {
        &self.code
    }

    /// The application whose players alone can find the room.
    #[must_use]
    pub const fn owner(&self) -> Option<&AppId> {
        self.owner.as_ref()
    }

    /// Who sits in the room.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Everybody here whom the room's events and data reach: those who sit, and those who watch and are not at an outpost.
    #[must_use]
    pub fn audience(&self) -> [&[Member]; 2] {
        [self.roster.members(), self.gallery.members()]
    }

    /// Whether nobody sits in the room and nobody watches it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty() && self.gallery.is_empty()
    }

    /// Who watches the room.
    #[must_use]
    pub const fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// How many of those who sit or watch are reached here rather than at an outpost.
    #[must_use]
    pub fn members_here(&self) -> usize {
        self.roster.len() + self.gallery.members().len()
    }

    /// When something last happened in the room, in milliseconds of the shard's monotonic clock.
    #[must_use]
    pub const fn last_activity_ms(&self) -> u64 {
        self.last_activity_ms
    }

    /// Notes that something happened in the room.
    pub fn touch(&mut self, now_ms: u64) {
        self.last_activity_ms = now_ms;
    }

    /// Whether players of `app` can find the room.
    #[must_use]
    pub fn is_visible_to(&self, app: Option<&AppId>) -> bool {
        self.owner.is_none() || self.owner.as_ref() == app
    }

    /// How many may sit here.
    pub(super) fn seats(&self, app_seat_limit: Option<u8>) -> usize {
        app_seat_limit
            .map_or(self.max_players, |limit| limit.min(self.max_players))
            .into()
    }

    /// How many may sit in the room.
    #[must_use]
    pub const fn max_players(&self) -> u8 {
        self.max_players
    }

    /// What has happened in the room.
    #[must_use]
    pub const fn record(&self) -> &RoomRecord {
        &self.record
    }

    /// The same, to note what the room itself does not see.
    pub const fn record_mut(&mut self) -> &mut RoomRecord {
        &mut self.record
    }

    /// Takes the next number in a member's stream for a message that will now be sent.
    pub fn stamp(&mut self, connection: ConnectionKey, now_ms: u64) -> Option<(PlayerId, Stamp)> {
        self.last_activity_ms = now_ms;
        self.roster.seat_mut(connection).map(Seat::next_stamp)
    }

    /// Notes a message that will now be sent, for the operator.
    pub const fn note_relayed(&mut self, format: GameDataFormat, bytes: u64) {
        self.record.note_relayed(format, bytes);
    }

    /// Charges payload bytes to the room's budget of `limit` bytes in `window_ms`.
    ///
    /// # Errors
    ///
    /// Whole seconds until there is a new window; nothing was charged.
    pub fn charge_relay(&mut self, bytes: u64, limit: u64, window_ms: u64, now_ms: u64) -> Result<(), u64> {
        if self.relay_window.roll(window_ms, now_ms) {
            self.relay_bytes = 0;
        }
        if charge(&mut self.relay_bytes, bytes, limit) {
            Ok(())
        } else {
            Err(self.relay_window.seconds_left(window_ms, now_ms))
        }
    }

    /// The state of notices about a member's undeliverable game data.
    pub fn undeliverable_notice(&mut self, connection: ConnectionKey) -> Option<&mut UndeliverableNotice> {
        self.roster
            .seat_mut(connection)
            .map(|seat| &mut seat.undeliverable_notice)
    }

    /// Stores how a member can be reached directly, in its own words.
    pub fn set_connection_info(&mut self, connection: ConnectionKey, info: ConnectionInfo) {
        if let Some(seat) = self.roster.seat_mut(connection) {
            seat.set_connection_info(info);
        }
    }

    /// Whether the game was started.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.is_started
    }

    /// Whether joiners must know a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The protocol's name for where the room stands.
    #[must_use]
    pub const fn lobby_state(&self) -> LobbyState {
        if self.is_started {
            LobbyState::Finalized
        } else {
            LobbyState::Lobby
        }
    }

    /// A member as its room mates see it.
    #[must_use]
    pub fn player_info<'a>(&self, seat: &'a Seat) -> PlayerInfo<'a> {
        seat.info(self.authority == Some(seat.player()))
    }

    /// Every stored fact that refers to connections of this shard, rewritten for a shard where they have other places.
    pub fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> ConnectionKey) {
        self.roster.relink(&mut place_of);
        self.gallery.relink(place_of);
    }

    /// Whether the parts of a room that came out of an archive fit together.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        let host = self.peer_session.as_ref().and_then(PeerSession::host);
        let has_host = host.is_none_or(|host| self.roster.seat_of(host).is_some());
        self.roster.is_coherent() && self.gallery.is_coherent() && has_host
    }
}

impl Moments for Room {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            id: _,
            game_name: _,
            code: _,
            owner: _,
            max_players: _,
            supports_authority: _,
            password: _,
            is_started: _,
            peer_session: _,
            authority: _,
            roster,
            gallery: _,
            disconnected_seats,
            bans: _,
            max_spectators: _,
            last_activity_ms,
            relay_window,
            relay_bytes: _,
            record: _,
        } = self;
        roster.change_clock(change);
        disconnected_seats.change_clock(change);
        change.apply(last_activity_ms);
        relay_window.change_clock(change);
    }
}
