//! Who sits in a room.
//!
//! Two tables in step: the members, small and walked once per relayed message, and the seats, with all the rest.

use crate::clock::{ClockChange, Moments};
use crate::protocol::server_message::{PeerInfo, PlayerInfo};
use crate::protocol::{
    Abilities, AppId, CertificateFingerprint, ConnectionInfo, Dialect, PlayerId, ReconnectToken, Secret, Stamp,
    TransportStatus, WallTime,
};

/// Where the shard finds a connection. Stale references are harmless: the generation tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct ConnectionKey {
    /// The place in the shard's table.
    pub index: u32,
    /// Which of the place's successive holders is meant.
    pub generation: u32,
}

/// All that relaying needs to know of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Member {
    /// Where the shard finds the connection.
    pub connection: ConnectionKey,
    /// What the connection reads.
    pub dialect: Dialect,
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
    /// The client certificate that the seat is tied to: it is given back only to a connection that is tied to the same.
    pub certificate: Option<CertificateFingerprint>,
    /// What the connection can do beside being relayed to.
    pub abilities: Abilities,
}

/// A member's seat.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Seat {
    player: PlayerId,
    pub(super) name: Box<str>,
    folded_name: Box<str>,
    is_ready: bool,
    /// How many had sat down in the room before. A wall clock may be set back; this only grows.
    arrival: u64,
    pub(super) connected_at: WallTime,
    pub(super) connection_info: Option<Box<ConnectionInfo>>,
    stamp: Stamp,
    token: ReconnectToken,
    certificate: Option<CertificateFingerprint>,
    pub(super) abilities: Abilities,
    pub(super) transport_status: Option<TransportStatus>,
    pub(super) undeliverable_notice: UndeliverableNotice,
}

/// When receivers were last told that a sender's data cannot be delivered to them, and how often it was kept back since.
#[derive(Debug, Clone, Copy, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct UndeliverableNotice {
    told_at_ms: Option<u64>,
    kept_back: u64,
}

impl UndeliverableNotice {
    /// Receivers are told of one sender's undeliverable data at most this often, in milliseconds.
    const INTERVAL_MS: u64 = 1_000;

    /// Whether receivers are to be told now, and if so, how often they were not told since the last time.
    pub fn due(&mut self, now_ms: u64) -> Option<u64> {
        if self
            .told_at_ms
            .is_some_and(|told_at_ms| now_ms < told_at_ms.saturating_add(Self::INTERVAL_MS))
        {
            self.kept_back += 1;
            return None;
        }
        self.told_at_ms = Some(now_ms);
        Some(std::mem::take(&mut self.kept_back))
    }
}

impl Seat {
    fn new(newcomer: Newcomer<'_>, arrival: u64, connected_at: WallTime) -> Self {
        Self {
            player: newcomer.player,
            name: newcomer.name.into(),
            folded_name: newcomer.folded_name,
            is_ready: false,
            arrival,
            connected_at,
            connection_info: None,
            stamp: Stamp {
                epoch: newcomer.epoch,
                seq: 0,
            },
            token: newcomer.token,
            certificate: newcomer.certificate,
            abilities: newcomer.abilities,
            transport_status: None,
            undeliverable_notice: UndeliverableNotice::default(),
        }
    }

    /// The seat of a player who came back: a new epoch, a new token, the new connection's certificate and abilities, and no
    /// word of how to be reached.
    pub(super) fn begin_again(
        &mut self,
        token: ReconnectToken,
        certificate: Option<CertificateFingerprint>,
        abilities: Abilities,
    ) {
        self.stamp = Stamp {
            epoch: self.stamp.epoch + 1,
            seq: 0,
        };
        self.token = token;
        self.certificate = certificate;
        self.abilities = abilities;
        self.forget_how_to_be_reached();
    }

    /// Forgets what holds for one connection only.
    pub(super) fn forget_how_to_be_reached(&mut self) {
        self.connection_info = None;
        self.transport_status = None;
    }

    /// What gives the seat back after a lost connection.
    #[must_use]
    pub const fn token(&self) -> &ReconnectToken {
        &self.token
    }

    /// Whether the seat is given back to who shows this token on a connection that is tied to this certificate.
    pub(super) fn opens_with(&self, token: &Secret, certificate: Option<CertificateFingerprint>) -> bool {
        let fits = self.certificate.is_none_or(|tied| certificate == Some(tied));
        self.token.opens_with(token) && fits
    }

    pub(super) fn folded_name(&self) -> &str {
        &self.folded_name
    }

    pub(super) const fn set_unready(&mut self) {
        self.is_ready = false;
    }

    /// Who sits here.
    #[must_use]
    pub const fn player(&self) -> PlayerId {
        self.player
    }

    /// How many had sat down in the room before the player first did.
    pub(super) const fn arrival(&self) -> u64 {
        self.arrival
    }

    /// The epoch of this membership and the last sequence number used in it.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether the player is ready to start.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) const fn toggle_ready(&mut self) {
        self.is_ready = !self.is_ready;
    }

    pub(super) fn next_stamp(&mut self) -> (PlayerId, Stamp) {
        self.stamp.seq += 1;
        (self.player, self.stamp)
    }

    pub(super) fn set_connection_info(&mut self, info: ConnectionInfo) {
        self.connection_info = Some(Box::new(info));
    }

    pub(super) fn info(&self, is_authority: bool) -> PlayerInfo<'_> {
        PlayerInfo {
            id: self.player,
            name: &self.name,
            is_authority,
            is_ready: self.is_ready,
            connected_at: self.connected_at,
            connection_info: self.connection_info.as_deref(),
            stamp: self.stamp,
        }
    }

    pub(super) fn peer_info<'a>(&'a self, is_authority: bool, relay_type: &'a str) -> PeerInfo<'a> {
        PeerInfo {
            player_id: self.player,
            player_name: &self.name,
            is_authority,
            relay_type,
            connection_info: self.connection_info.as_deref(),
        }
    }

    /// What the member can do beside being relayed to.
    #[must_use]
    pub const fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// What the member last said of its connection to its peers.
    #[must_use]
    pub const fn transport_status(&self) -> Option<TransportStatus> {
        self.transport_status
    }
}

/// Everybody in the room. The order is nobody's business: it changes as members leave.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Roster {
    members: Vec<Member>,
    seats: Vec<Seat>,
    /// How many have ever sat down here. A player who comes back does not count again.
    arrivals: u64,
}

impl Roster {
    /// How many sit in the room.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where to reach everybody.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Every seat.
    pub fn seats(&self) -> impl ExactSizeIterator<Item = &Seat> {
        self.seats.iter()
    }

    /// The seat of a member.
    #[must_use]
    pub fn seat(&self, connection: ConnectionKey) -> Option<&Seat> {
        self.position(connection).map(|index| &self.seats[index])
    }

    /// A member.
    pub(super) fn member(&self, connection: ConnectionKey) -> Option<&Member> {
        self.position(connection).map(|index| &self.members[index])
    }

    /// The seat of a player.
    #[must_use]
    pub fn seat_of(&self, player: PlayerId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.player == player)
    }

    /// Where a player sits, and how to reach it.
    #[must_use]
    pub fn member_of(&self, player: PlayerId) -> Option<(&Member, &Seat)> {
        let index = self.seats.iter().position(|seat| seat.player == player)?;
        Some((&self.members[index], &self.seats[index]))
    }

    /// Every seat, and how to reach who sits there.
    pub fn seated(&self) -> impl Iterator<Item = (&Member, &Seat)> {
        self.members.iter().zip(&self.seats)
    }

    pub(super) fn seat_mut(&mut self, connection: ConnectionKey) -> Option<&mut Seat> {
        self.position(connection).map(|index| &mut self.seats[index])
    }

    fn position(&self, connection: ConnectionKey) -> Option<usize> {
        self.members.iter().position(|member| member.connection == connection)
    }

    pub(super) fn has_name(&self, folded_name: &str) -> bool {
        self.seats.iter().any(|seat| *seat.folded_name == *folded_name)
    }

    pub(super) fn seat_newcomer(&mut self, newcomer: Newcomer<'_>, connected_at: WallTime) {
        let member = newcomer.member;
        self.add(member, Seat::new(newcomer, self.arrivals, connected_at));
        self.arrivals += 1;
    }

    pub(super) fn add(&mut self, member: Member, seat: Seat) {
        debug_assert!(self.position(member.connection).is_none(), "a connection has one seat");
        self.members.push(member);
        self.seats.push(seat);
    }

    pub(super) fn remove(&mut self, connection: ConnectionKey) -> Option<Seat> {
        let index = self.position(connection)?;
        self.members.swap_remove(index);
        Some(self.seats.swap_remove(index))
    }

    pub(super) fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> ConnectionKey) {
        for (member, seat) in self.members.iter_mut().zip(&self.seats) {
            member.connection = place_of(seat.player);
        }
    }

    /// Whether the two tables are in step.
    pub(super) const fn is_coherent(&self) -> bool {
        self.members.len() == self.seats.len()
    }
}

impl Moments for Roster {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            members: _,
            seats,
            arrivals: _,
        } = self;
        for seat in seats {
            seat.change_clock(change);
        }
    }
}

impl Moments for Seat {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            player: _,
            name: _,
            folded_name: _,
            is_ready: _,
            arrival: _,
            connected_at: _,
            connection_info: _,
            stamp: _,
            token: _,
            certificate: _,
            abilities: _,
            transport_status: _,
            undeliverable_notice:
                UndeliverableNotice {
                    told_at_ms,
                    kept_back: _,
                },
        } = self;
        if let Some(told_at_ms) = told_at_ms {
            change.apply(told_at_ms);
        }
    }
}
