//! The loop itself, on the system: turn after turn, and the executor once per tick.

use std::io;

use super::super::system::System;
use super::Pump;

impl Pump<System> {
    /// Runs until the process stops.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to wait: the shard cannot go on, and the supervisor ends the process.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let turned = self.turn()?;
            if turned.is_over {
                return Ok(());
            }
            if turned.ticked {
                // Timers and slow tasks of this shard; everything queued has been sent before.
                glommio::executor().yield_now().await;
            }
        }
    }
}
