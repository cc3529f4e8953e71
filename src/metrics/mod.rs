//! What the process counts and measures, in the forms in which operators read it.
//!
//! Owns the one list of [families](families::of), from which the page for scrapers, the listing in the documentation and
//! the tests are made. Everything comes as a [`Reading`] that was collected before; nothing here asks a shard. No label
//! holds what a client chose: players, rooms, games and addresses are nobody's time series.

mod absent;
mod answer;
mod capacity;
mod dashboard;
mod distribution;
mod families;
mod family;
mod forecast;
mod listing;
mod process;
mod reading;
mod sessions;
mod text;
mod webhooks;

pub use answer::{Cached, answer};
pub use capacity::{Capacity, Resource, ShardRoom, Supply};
pub use dashboard::{DashboardSettings, HistoryParts, RoomFigures};
pub use distribution::Distribution;
pub use families::of;
pub use family::{Catalogue, Chapter, Family, Kind, Sample, Value};
pub use forecast::{WorkReading, forecast};
pub use listing::listing;
pub use process::{Process, ProcessReading};
pub use reading::{AppBytes, DashboardReading, Reading, ShardReading};
pub use sessions::{MAX_ACTIVE, RoomFound, SessionsAsked, SessionsReading, looked_up, sessions, unavailable};
pub use text::{TextFormat, write};
pub use webhooks::{Tally, WebhookCounts};
