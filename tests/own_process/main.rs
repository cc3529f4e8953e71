//! What takes a process of its own: the program as it is started and stopped, signals, limits, logging, memory as the system
//! counts it, the end of a whole process, and a browser.
//!
//! A scenario that would end or change the process of the tests runs in a child. So these run beside each other as well.

mod a_pause_harms_nobody;
mod a_shard_dies_in_a_room;
mod admin_in_a_terminal;
mod admin_page_in_a_browser;
mod asked_for_its_health;
mod behind_proxies;
mod browser;
mod certificates_are_renewed;
mod child;
mod early_signals;
mod embedding;
mod example_backends;
mod first_process;
mod forgotten_proxy;
mod graceful_stop;
mod io_uring_refused;
mod logging;
mod memory_comes_back;
mod other_clients_over_tls;
mod poor_surroundings;
mod refusals_are_seen;
mod reload;
mod secrets_stay_secret;
mod service_manager;
mod shard_death;
mod shard_failure;
mod short_of_descriptors;
mod socket_activation;
mod stalled_shard;
mod startup_refusals;
mod stuck_log;
#[path = "../support/mod.rs"]
mod support;
mod system_calls;
mod systemd_unit;
mod unprivileged_start;
mod what_went_wrong_is_written;
