//! A whole server: checked, started, running, stopped.
//!
//! Owns the order of a start (place, check, listen, run) and of a stop (refuse, say goodbye, flush, end), and what a program has
//! of a server that runs in it. Everything that it puts together is elsewhere.

mod access_check;
mod answer;
mod builder;
mod certificates;
mod error;
mod handle;
mod launch;
mod listeners;
mod patience;
mod randomness;
mod reload;
mod reload_thread;
mod settings;
mod stopper;
mod supervision;
mod vigil;
mod webhooks;

pub use answer::Answer;
pub use builder::{Server, ServerBuilder};
pub use certificates::{CertificateError, LiveCertificates, check as check_certificates};
pub use error::{AskError, ServeError};
pub use handle::{Ending, ServerHandle};
pub use listeners::Addresses;
pub use patience::Late;
pub use reload::{ReloadError, Reloaded};
pub use reload_thread::{ReadConfig, ReloadThread};
pub use settings::{admission_limits, dashboard, shard_settings, site};
