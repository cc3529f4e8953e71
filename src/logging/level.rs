//! How much is logged, as an operator changes it while the process runs. A restart forgets it.

use std::sync::OnceLock;

use thiserror::Error;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::{Registry, reload};

/// The levels that can be asked for.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

type Changeable = reload::Handle<EnvFilter, Registry>;

/// The filter of the process's subscriber, if that is ours.
static FILTER: OnceLock<Changeable> = OnceLock::new();

/// Why the level stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LevelRefused {
    /// There is no such level.
    #[error("a level is error, warn, info, debug or trace")]
    Unknown,
    /// The subscriber is that of the program which the server is a part of.
    #[error("the log is that of the program which the server is a part of")]
    NotOurs,
}

/// Keeps the way to the filter of the subscriber that was just started.
pub(super) fn keep(changeable: Changeable) {
    // There is one subscriber in a process, so this is the first.
    let _ = FILTER.set(changeable);
}

/// What is logged now: a level, or the filter that the process was started with. `None`: the log is not ours.
#[must_use]
pub fn level() -> Option<String> {
    FILTER.get()?.with_current(ToString::to_string).ok()
}

/// Logs whatever is at least as important as this, wherever it comes from.
///
/// # Errors
///
/// When there is no such level, or the log is not ours.
pub fn set_level(level: &str) -> Result<(), LevelRefused> {
    if !LEVELS.contains(&level) {
        return Err(LevelRefused::Unknown);
    }
    let filter = FILTER.get().ok_or(LevelRefused::NotOurs)?;
    filter.reload(EnvFilter::new(level)).map_err(|_| LevelRefused::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_judged_before_anything_is_changed() {
        for wrong in ["", "INFO", "off", "info,hyper=trace", "info "] {
            assert_eq!(set_level(wrong), Err(LevelRefused::Unknown), "{wrong}");
        }
        assert_eq!((set_level("debug"), level()), (Err(LevelRefused::NotOurs), None));
    }
}
