//! What joining, watching and moderating demand alike, before any room is looked at.

use crate::budget::{Allowance, Charge};
use crate::protocol::{ErrorCode, RoomCode, Secret, check_game_name};
use crate::shard::refusal::Failure;
use crate::shard::world::now::Now;
use crate::shard::world::settings::Settings;

/// The most bytes that a room password may have.
const MAX_PASSWORD_BYTES: usize = 256;

impl Settings {
    /// Charges a request to enter a room, whatever becomes of it.
    pub(in crate::shard) fn charge_entry(
        &self,
        allowance: &mut Allowance,
        creates: bool,
        now: Now,
    ) -> Result<(), Failure> {
        match allowance.charge_join(creates, &self.budgets, now.mono_ms) {
            Charge::Accepted => Ok(()),
            Charge::Refused { retry_after_secs } => {
                let reason = format!("too many joins; try again in {retry_after_secs} seconds");
                Err((reason, ErrorCode::RateLimitExceeded))
            }
        }
    }

    pub(in crate::shard) fn check_game(&self, name: &str) -> Result<(), Failure> {
        check_game_name(name, self.rooms.max_game_name_bytes)
            .map_err(|refusal| (refusal.to_string(), ErrorCode::InvalidGameName))
    }

    pub(in crate::shard) fn check_name(&self, name: &str) -> Result<(), Failure> {
        self.handshake
            .name_rules
            .check_player_name(name)
            .map_err(|refusal| (refusal.to_string(), ErrorCode::InvalidPlayerName))
    }

    pub(in crate::shard) fn read_code(&self, code: &str) -> Result<RoomCode, Failure> {
        RoomCode::parse(code, self.rooms.code_length)
            .map_err(|refusal| (refusal.to_string(), ErrorCode::InvalidRoomCode))
    }
}

pub(in crate::shard) fn check_password(password: Option<&Secret>) -> Result<(), Failure> {
    if password.is_none_or(|password| (1..=MAX_PASSWORD_BYTES).contains(&password.len())) {
        return Ok(());
    }
    let reason = format!("a password has 1 to {MAX_PASSWORD_BYTES} bytes");
    Err((reason, ErrorCode::InvalidInput))
}
