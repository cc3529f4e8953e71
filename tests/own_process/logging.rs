//! Logging starts once per process. Played in a child, whose logging it is.

use signal_fish_relay::config::{LogLevel, LoggingConfig};
use signal_fish_relay::logging::{self, LoggingError};

use crate::child;

#[test]
fn a_second_start_is_an_error_and_not_a_panic() {
    child::play("logging::a_second_start_is_an_error_and_not_a_panic", || {
        let config = LoggingConfig {
            level: Some(LogLevel::Error),
            ..LoggingConfig::default()
        };
        let guard = logging::init(&config).expect("the first start");
        assert!(matches!(logging::init(&config), Err(LoggingError::AlreadyStarted)));
        drop(guard);
        assert_eq!(logging::lost_lines(), 0);
    });
}
