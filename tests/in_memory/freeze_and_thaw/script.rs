//! What happens in the rig, and where it can be interrupted.

use signal_fish_relay::session::Verdict;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// A client connects, at the shard that its number leads to.
    Connect(usize),
    /// Bytes of a client arrive.
    Send(usize, Vec<u8>),
    /// A client's socket takes so many bytes from now on.
    Room(usize, usize),
    /// Time passes.
    Wait(u64),
    /// The game's backend says this to whatever it was asked.
    Answer(Verdict),
    /// The process begins to stop.
    CloseAll,
}

/// Where a script is interrupted, and how many shards go on.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Which of the script's [`positions`].
    pub at: usize,
    /// Shards of the next process.
    pub into: u16,
}

/// What a record of TLS 1.3 adds to what is in it.
const RECORD_BYTES: usize = 5 + 1 + 16;

/// In how many places a script can be interrupted: before every step, and behind every byte that arrives.
pub fn positions(script: &[Step]) -> usize {
    script.iter().map(|step| positions_of(step, false)).sum()
}

/// The same where the clients speak TLS.
pub fn sealed_positions(script: &[Step]) -> usize {
    script.iter().map(|step| positions_of(step, true)).sum()
}

pub(super) fn positions_of(step: &Step, speaks_tls: bool) -> usize {
    match step {
        Step::Send(_, bytes) if speaks_tls => 1 + bytes.len() + RECORD_BYTES,
        Step::Send(_, bytes) => 1 + bytes.len(),
        _ => 1,
    }
}
