//! What the process stands on: the CPUs it may use, the checks before it starts, one pinned executor per shard, ticks,
//! signals, and the supervisor that ends the process loudly when a shard ends.
//!
//! Promises that a machine, container or service unit that cannot carry the server is told so in one sentence with the
//! cure, before the first executor; that a panic anywhere ends the process; and that no wait for a shard is without a
//! deadline once a stop has been asked for. Knows nothing of the protocol, of rooms or of the configuration file: all
//! it needs arrives as plain arguments.

pub mod activation;
pub mod cpus;
pub mod executors;
pub mod last_words;
mod leftover;
mod locked_memory;
pub mod niceness;
mod notify;
mod panic_hook;
pub mod preflight;
pub mod signals;
pub mod slice;
mod spare_memory;
pub mod supervisor;
mod tick;

pub use notify::NotifySocket;
pub use panic_hook::install_panic_hook;
pub use spare_memory::SpareMemory;
pub use tick::{Tick, every};
