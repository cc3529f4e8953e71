//! One module per subcommand: each turns its arguments into a scenario, lets the fleet do it, and reports.

pub(crate) mod compare;
pub(crate) mod handshakes;
pub(crate) mod idle;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod storm;
