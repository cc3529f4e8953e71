//! What joining, watching and moderating demand alike, before any room is looked at.

use crate::budget::{Allowance, Charge};
use crate::protocol::{ErrorCode, Refusal, RoomCode, Secret, check_game_name};
use crate::shard::world::counters::CounterSet;
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
        counters: &CounterSet,
        now: Now,
    ) -> Result<(), Refusal> {
        let budgets = &self.budgets;
        let (charged, refused) = match creates.then(|| allowance.charge_creation(budgets, now.mono_ms)) {
            Some(refused @ Charge::Refused { .. }) => (refused, &counters.creations_limited),
            Some(Charge::Accepted) | None => (allowance.charge_join(budgets, now.mono_ms), &counters.joins_limited),
        };
        match charged {
            Charge::Accepted => Ok(()),
            Charge::Refused { retry_after_secs } => {
                refused.add(1);
                let text = format!("too many joins; try again in {retry_after_secs} seconds");
                Err(Refusal::new(ErrorCode::RateLimitExceeded, text))
            }
        }
    }

    pub(in crate::shard) fn check_game(&self, name: &str) -> Result<(), Refusal> {
        check_game_name(name, self.rooms.max_game_name_bytes)
            .map_err(|refusal| Refusal::new(ErrorCode::InvalidGameName, refusal.to_string()))
    }

    pub(in crate::shard) fn check_name(&self, name: &str) -> Result<(), Refusal> {
        self.handshake
            .name_rules
            .check_player_name(name)
            .map_err(|refusal| Refusal::new(ErrorCode::InvalidPlayerName, refusal.to_string()))
    }

    /// Reads the name of a room, as somebody who looks for it gives it.
    ///
    /// # Errors
    ///
    /// What is wrong with the game or the code.
    pub fn read_name(&self, game_name: &str, code: &str) -> Result<RoomCode, Refusal> {
        self.check_game(game_name)?;
        self.read_code(code)
    }

    pub(in crate::shard) fn read_code(&self, code: &str) -> Result<RoomCode, Refusal> {
        Ok(RoomCode::parse(code, self.rooms.code_length)?)
    }
}

pub(in crate::shard) fn check_password(password: Option<&Secret>) -> Result<(), Refusal> {
    if password.is_none_or(|password| (1..=MAX_PASSWORD_BYTES).contains(&password.len())) {
        return Ok(());
    }
    let text = format!("a password has 1 to {MAX_PASSWORD_BYTES} bytes");
    Err(Refusal::new(ErrorCode::InvalidInput, text))
}
