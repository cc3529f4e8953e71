//! How many more rooms like the present ones fit, and what gives out first.

use serde::Serialize;

/// What can give out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// The time of the shard that is first full.
    Cpu,
    /// Memory that the process may have.
    Memory,
    /// Descriptors that it may open.
    Descriptors,
    /// `security.max_connections`.
    Connections,
    /// `server.max_rooms`.
    Rooms,
    /// `server.max_rooms_per_game`, of the game that has most.
    RoomsOfOneGame,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cpu,
        Self::Memory,
        Self::Descriptors,
        Self::Connections,
        Self::Rooms,
        Self::RoomsOfOneGame,
    ];

    /// Its name in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
            Self::Connections => "connections",
            Self::Rooms => "rooms",
            Self::RoomsOfOneGame => "rooms_of_one_game",
        }
    }
}

/// How far one resource goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Supply {
    /// Which.
    pub resource: Resource,
    /// What is used: a share of the fullest shard's time, bytes, or a number.
    pub used: f64,
    /// What there is.
    pub limit: f64,
    /// How many more rooms that lets in; `None`: there is no room from which to tell.
    pub more_rooms: Option<u64>,
}

/// How far one shard goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ShardRoom {
    /// Its number.
    pub shard: u16,
    /// The share of its time that it spent in turns.
    pub busy: f64,
    /// The share of a CPU that its thread used.
    pub cpu: f64,
    /// Rooms that live there; `None`: it did not answer.
    pub rooms: Option<u64>,
    /// How many more fit there; `None`: it does too little to tell.
    pub more_rooms: Option<u64>,
}

/// How many more rooms like the present ones fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// Over how many seconds the shards were watched.
    pub window_seconds: f64,
    /// Rooms that there are.
    pub rooms: u64,
    /// Connections that there are.
    pub connections: u64,
    /// How many more rooms fit, before the first resource gives out; `None`: there is no room from which to tell.
    pub more_rooms: Option<u64>,
    /// Which that is.
    pub first_to_give_out: Option<Resource>,
    /// How far each resource goes.
    pub resources: Vec<Supply>,
    /// How far each shard goes.
    pub shards: Vec<ShardRoom>,
}

impl Capacity {
    /// What programs are answered.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and names")
    }
}
