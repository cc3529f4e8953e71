//! Members that do not simply stay: slow players, who read little at a time until the server has enough of them, and
//! returning players, who close their connection and come back.

use std::collections::BTreeMap;

use crate::client::sockets::Sockets;
use crate::clock::Clock;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::seating::{Part, Seating};
use crate::worker::blows::Storms;
use crate::worker::front::Front;
use crate::worker::returns::Returns;

/// Slow players read this often.
const SLOW_TICK_NS: u64 = 10_000_000;
const TICKS_PER_SECOND: u32 = 100;
/// What a slow player reads at once when it need not be slow.
const FAST_READ_BYTES: usize = 64 * 1024;

/// The state of those members.
pub(super) struct Unsteady {
    /// Slow players, with the bytes that each reads at a tick.
    slow: Vec<(u32, usize)>,
    pub(super) returning: Vec<u32>,
    /// Slow players are slow at present.
    pub(super) hold_back: bool,
    next_tick_ns: u64,
    scratch: Vec<u8>,
    pub(super) departures: Vec<Schedule>,
    /// When rooms are operated on; their numbers take the place of players.
    pub(super) operations: Vec<Schedule>,
    pub(super) storms: Storms,
    pub(super) slow_ends: BTreeMap<String, u64>,
    /// Members on version 3 that are away.
    pub(super) returns: Returns,
    pub(super) times_back: u64,
    /// Connections that did not last, and players that did not come back.
    pub(super) mishaps: Vec<(u32, String)>,
}

impl Unsteady {
    pub(super) fn new(scenario: &Scenario, seating: &Seating) -> Self {
        let per_tick = |member| {
            let rate = scenario.groups[seating.room_of(member).group].slow_bytes_per_second;
            rate.div_ceil(TICKS_PER_SECOND) as usize
        };
        let slow = seating.all(Part::Slow);
        Self {
            slow: slow.into_iter().map(|member| (member, per_tick(member))).collect(),
            returning: seating.all(Part::Returning),
            hold_back: false,
            next_tick_ns: 0,
            scratch: vec![0; FAST_READ_BYTES],
            departures: Vec::new(),
            operations: Vec::new(),
            storms: Storms::default(),
            slow_ends: BTreeMap::new(),
            returns: Returns::new(seating.members() as usize),
            times_back: 0,
            mishaps: Vec::new(),
        }
    }

    /// Reads those that the turns leave out.
    pub(super) fn read_slow_players(&mut self, sockets: &mut Sockets, front: &mut Front, clock: Clock) {
        if self.slow.is_empty() {
            return;
        }
        let now_ns = clock.now_ns();
        if now_ns < self.next_tick_ns {
            return;
        }
        self.next_tick_ns = now_ns + SLOW_TICK_NS;
        for &(member, bytes) in &self.slow {
            if member as usize >= sockets.len() {
                break;
            }
            let piece = if self.hold_back { bytes } else { self.scratch.len() };
            while sockets.read_by_hand(member as usize, &mut self.scratch[..piece], front) && !self.hold_back {}
        }
    }
}
