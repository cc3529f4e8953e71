//! What has happened in a room since it was made, as numbers for the operator. Nobody in the room is ever told of it.

use crate::protocol::{GameDataFormat, ProtocolVersion, Transport, TransportStatus, WallTime};

/// What has happened in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct RoomRecord {
    /// When it was made.
    pub created_at: WallTime,
    /// The application that it belongs to, as figures show it.
    pub application: Option<[u8; 16]>,
    /// Seats taken: by the creator, by joiners, and by players who came back.
    pub players_joined: u64,
    /// The most players that sat in it at a time.
    pub peak_players: u16,
    /// How many room events it has had.
    pub events: u64,
    /// Seats given up or lost.
    pub players_left: u64,
    /// Spectators who came.
    pub spectators_joined: u64,
    /// Spectators who went.
    pub spectators_left: u64,
    /// Bits of the versions that players and spectators spoke.
    versions: u8,
    /// Bits of the formats in which game data came.
    formats: u8,
    /// Accepted game-data messages.
    pub game_data_messages: u64,
    /// Payload bytes of them.
    pub relay_bytes: u64,
    /// Times that somebody took the authority, or was given it.
    pub authority_transfers: u64,
    /// Reports of players that a connection to their peers works.
    pub p2p_established: u64,
    /// Reports of players that they fell back to the relay.
    pub relay_fallback: u64,
    /// TURN credentials made for players.
    pub turn_credentials: u64,
}

impl RoomRecord {
    /// Notes that a seat was taken, and so many are.
    pub(super) fn note_seated(&mut self, players: usize) {
        self.players_joined += 1;
        self.peak_players = self.peak_players.max(players as u16);
    }

    /// The number of the next room event.
    pub const fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    pub(super) const fn note_version(&mut self, version: ProtocolVersion) {
        self.versions |= 1 << version.number();
    }

    /// Notes a message that is relayed.
    pub(super) const fn note_relayed(&mut self, format: GameDataFormat, bytes: u64) {
        self.game_data_messages += 1;
        self.relay_bytes += bytes;
        self.formats |= 1 << format as u8;
    }

    pub(super) const fn note_status(&mut self, status: TransportStatus) {
        match (status.transport, status.connected) {
            (Transport::Relay, true) | (Transport::WebRtc | Transport::Direct, false) => self.relay_fallback += 1,
            (Transport::WebRtc | Transport::Direct, true) => self.p2p_established += 1,
            (Transport::Relay, false) => {}
        }
    }

    /// The versions that players and spectators spoke, the oldest first.
    pub fn versions(&self) -> impl Iterator<Item = u32> {
        let versions = self.versions;
        (0..u8::BITS).filter(move |version| versions & (1 << version) != 0)
    }

    /// The formats in which game data came.
    pub fn formats(&self) -> impl Iterator<Item = GameDataFormat> {
        let formats = self.formats;
        let all = GameDataFormat::ALL.iter().copied();
        all.filter(move |format| formats & (1 << *format as u8) != 0)
    }
}
