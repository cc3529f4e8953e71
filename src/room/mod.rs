//! One room: who sits in it, where its lobby stands, who leads it, and how far each sender's stream has come.
//!
//! Owns the rules of membership, lobby, authority and sequence numbers. Promises that every request either changes the
//! room and says what changed, or changes nothing and says why. Must never know sockets, shards or encodings: a member is
//! reached through a [`MemberRef`] whose meaning is the shard's.

mod absence;
mod authority;
mod gallery;
mod lobby;
mod missed;
mod moderation;
mod peer_session;
mod roster;

pub use absence::{Claim, RedeemRefusal, Return};
pub use authority::AuthorityRefusal;
pub use gallery::{Gallery, Spot, Visitor, WatchRefusal, Watcher};
pub use lobby::{ReadyRefusal, StartRefusal};
pub use missed::{MissedEvent, Portrait};
pub use moderation::{ModerationRefusal, Removed};
pub use peer_session::{Briefing, PeerSession, SessionRules};
pub use roster::{Member, MemberRef, Roster, Seat, UndeliverableNotice};

use self::absence::Absences;
use self::moderation::Bans;
use crate::budget::{Window, charge};
use crate::clock::{ClockChange, Moments};
use crate::protocol::server_message::{PeerInfo, PlayerInfo, RoomSnapshot};
use crate::protocol::{
    Abilities, AppId, ConnectionInfo, ErrorCode, LobbyState, PlayerId, ReconnectToken, RoomCode, RoomId, Secret, Stamp,
    WallTime,
};

/// One room.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Room {
    id: RoomId,
    game_name: Box<str>,
    code: RoomCode,
    /// The application whose players alone can find the room; `None` until a labelled player adopts it.
    owner: Option<AppId>,
    max_players: u8,
    supports_authority: bool,
    password: Option<Secret>,
    /// Whether the game was started; never goes back.
    is_started: bool,
    /// How the members of the started game reach each other.
    peer_session: Option<PeerSession>,
    authority: Option<PlayerId>,
    roster: Roster,
    gallery: Gallery,
    absences: Absences,
    bans: Bans,
    /// The most spectators; `None`: no limit.
    max_spectators: Option<u16>,
    /// Milliseconds of the shard's monotonic clock.
    last_activity_ms: u64,
    relay_window: Window,
    relay_bytes: u64,
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

/// Somebody who wants a seat. The name is already validated.
#[derive(Debug)]
pub struct Newcomer<'a> {
    /// The connection's id.
    pub player: PlayerId,
    /// Where the shard finds the connection, and what it reads.
    pub member: Member,
    /// The connection's application.
    pub app: Option<&'a AppId>,
    /// The most players that the application allows in a room.
    pub app_seat_limit: Option<u8>,
    /// The display name.
    pub name: &'a str,
    /// The name's caseless form, see [`fold_name`](crate::protocol::fold_name).
    pub folded_name: Box<str>,
    /// The password given.
    pub password: Option<&'a Secret>,
    /// The epoch of this membership.
    pub epoch: u32,
    /// What gives the seat back after a lost connection.
    pub token: ReconnectToken,
    /// What the connection can do beside being relayed to.
    pub abilities: Abilities,
}

/// Why a seat was refused. The room is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// The room is another application's: for this player it does not exist.
    #[error("there is no such room; check the code")]
    NotFound,
    /// The password is missing, wrong, or was given to an open room.
    #[error("the password does not fit this room; ask its host")]
    Password,
    /// The room's authority keeps this player out.
    #[error("you are banned from this room")]
    Banned,
    /// Somebody sits there under this name.
    #[error("that name is taken in this room; choose another")]
    NameTaken,
    /// Every seat is taken.
    #[error("the room is full")]
    Full,
    /// The game runs between peers, in a way that the joiner cannot.
    #[error("the players of this room are connected in a way that you did not negotiate")]
    Session,
}

impl JoinRefusal {
    /// The refusal as clients read it.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::RoomNotFound,
            Self::Password => ErrorCode::PasswordRequired,
            Self::Banned => ErrorCode::Banned,
            // Not a slip: the protocol's code for a taken name.
            Self::NameTaken => ErrorCode::RoomCreationFailed,
            Self::Full => ErrorCode::RoomFull,
            Self::Session => ErrorCode::RoomSessionIncompatible,
        }
    }
}

/// What a departure means to those who stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Who left.
    pub player: PlayerId,
    /// The last stamp that the player used.
    pub last: Stamp,
    /// Whether the room lost its authority.
    pub held_authority: bool,
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
            absences: Absences::default(),
            bans: Bans::default(),
            max_spectators,
            last_activity_ms: now_ms,
            relay_window: Window::begin(now_ms),
            relay_bytes: 0,
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

    /// Seats the creator, who leads the room if it can be led.
    pub fn seat_creator(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) {
        debug_assert!(self.roster.is_empty(), "a room is created once");
        self.authority = self.supports_authority.then_some(newcomer.player);
        self.seat(newcomer, now_ms, wall);
    }

    /// Seats a joiner. A room that belonged to nobody becomes the joiner's application's.
    ///
    /// # Errors
    ///
    /// The first rule that the joiner fails, in the protocol's order.
    pub fn join(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) -> Result<(), JoinRefusal> {
        if !self.is_visible_to(newcomer.app) {
            return Err(JoinRefusal::NotFound);
        }
        // An open room refuses a password too: the joiner meant another room.
        if self.password.as_ref() != newcomer.password {
            return Err(JoinRefusal::Password);
        }
        if self.bans.hold(newcomer.player, &newcomer.folded_name) {
            return Err(JoinRefusal::Banned);
        }
        if self.roster.has_name(&newcomer.folded_name) {
            return Err(JoinRefusal::NameTaken);
        }
        if self.roster.len() >= self.seats(newcomer.app_seat_limit) {
            return Err(JoinRefusal::Full);
        }
        if self.session_excludes(newcomer.abilities) {
            return Err(JoinRefusal::Session);
        }
        if self.owner.is_none() {
            self.owner = newcomer.app.cloned();
        }
        self.seat(newcomer, now_ms, wall);
        Ok(())
    }

    /// How many may sit here.
    fn seats(&self, app_seat_limit: Option<u8>) -> usize {
        app_seat_limit
            .map_or(self.max_players, |limit| limit.min(self.max_players))
            .into()
    }

    fn seat(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) {
        self.touch(now_ms);
        self.roster.seat_newcomer(newcomer, wall);
    }

    /// Frees a member's seat. The authority is not handed on.
    pub fn leave(&mut self, link: MemberRef, now_ms: u64) -> Option<Departure> {
        self.free_seat(link, now_ms).map(|(_, departure)| departure)
    }

    fn free_seat(&mut self, link: MemberRef, now_ms: u64) -> Option<(Seat, Departure)> {
        let seat = self.roster.remove(link)?;
        self.touch(now_ms);
        let held_authority = self.authority == Some(seat.player());
        if held_authority {
            self.authority = None;
        }
        let departure = Departure {
            player: seat.player(),
            last: seat.stamp(),
            held_authority,
        };
        Some((seat, departure))
    }

    /// Takes the next number in a member's stream for a message that will now be sent.
    pub fn stamp(&mut self, link: MemberRef, now_ms: u64) -> Option<(PlayerId, Stamp)> {
        self.last_activity_ms = now_ms;
        self.roster.seat_mut(link).map(Seat::next_stamp)
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
    pub fn undeliverable_notice(&mut self, link: MemberRef) -> Option<&mut UndeliverableNotice> {
        self.roster.seat_mut(link).map(|seat| &mut seat.undeliverable_notice)
    }

    /// Stores how a member can be reached directly, in its own words.
    pub fn set_connection_info(&mut self, link: MemberRef, info: ConnectionInfo) {
        if let Some(seat) = self.roster.seat_mut(link) {
            seat.set_connection_info(info);
        }
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

    /// The room as `player` sees it on joining. `lobby_state` is an argument because a creator is told `Waiting`.
    #[must_use]
    pub fn snapshot<'a>(&'a self, player: PlayerId, lobby_state: LobbyState, relay_type: &'a str) -> RoomSnapshot<'a> {
        RoomSnapshot {
            room_id: self.id,
            room_code: &self.code,
            player_id: player,
            game_name: &self.game_name,
            max_players: self.max_players,
            supports_authority: self.supports_authority,
            current_players: self.roster.seats().map(|seat| self.player_info(seat)).collect(),
            is_authority: self.authority == Some(player),
            lobby_state,
            ready_players: self.ready_players(),
            relay_type,
            current_spectators: self.gallery.infos(),
            reconnection_token: self.roster.seat_of(player).map(Seat::token),
            ice_servers: Vec::new(),
        }
    }

    /// A member as its room mates see it.
    #[must_use]
    pub fn player_info<'a>(&self, seat: &'a Seat) -> PlayerInfo<'a> {
        seat.info(self.authority == Some(seat.player()))
    }

    /// Everybody, as the start of the game lists them.
    #[must_use]
    pub fn peers<'a>(&'a self, relay_type: &'a str) -> Vec<PeerInfo<'a>> {
        self.roster
            .seats()
            .map(|seat| seat.peer_info(self.authority == Some(seat.player()), relay_type))
            .collect()
    }

    /// Every stored fact that refers to connections of this shard, rewritten for a shard where they have other places.
    pub fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> MemberRef) {
        self.roster.relink(&mut place_of);
        self.gallery.relink(place_of);
    }

    /// Whether the parts of a room that came out of an archive fit together.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        self.roster.is_coherent() && self.gallery.is_coherent() && self.has_coherent_session()
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
            absences,
            bans: _,
            max_spectators: _,
            last_activity_ms,
            relay_window,
            relay_bytes: _,
        } = self;
        roster.change_clock(change);
        absences.change_clock(change);
        change.apply(last_activity_ms);
        relay_window.change_clock(change);
    }
}

#[cfg(test)]
mod tests;
