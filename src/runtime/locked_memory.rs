//! Patience with the kernel's account of locked memory.
//!
//! The kernel gives the rings of a process back some time after the process has ended. A server that is restarted at
//! once, under a limit that just carries it, is refused at first although nothing is wrong.

use std::thread;
use std::time::{Duration, Instant};

const LINGERS: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(20);

/// Repeats `attempt` for as long as it is refused for want of memory, up to one second. Blocks its thread.
pub(super) fn wait_out<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_want_of_memory: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let give_up_at = Instant::now() + LINGERS;
    loop {
        match attempt() {
            Err(error) if is_want_of_memory(&error) && Instant::now() < give_up_at => thread::sleep(RETRY),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_of_memory_is_worth_another_try() {
        let mut answers = [Err("memory"), Err("memory"), Ok(7)].into_iter();
        assert_eq!(
            wait_out(|| answers.next().expect("an answer left"), |error| *error == "memory"),
            Ok(7)
        );

        let mut answers = [Err("memory"), Err("permission"), Ok(7)].into_iter();
        let outcome = wait_out(|| answers.next().expect("an answer left"), |error| *error == "memory");
        assert_eq!(outcome, Err("permission"));
    }
}
