//! Every family that there is, from a reading.

mod apart;
mod capacity;
mod counts;
pub(super) mod limits;
mod now;
mod process;
mod shards;
pub(super) mod snapshot;
mod time;

use super::family::Catalogue;
use super::reading::Reading;

/// All families, with what a reading says. One of which nothing is known has no samples; none is ever left out.
#[must_use]
pub fn of(reading: &Reading) -> Catalogue {
    let mut catalogue = Catalogue::default();
    counts::add(&mut catalogue, reading);
    apart::add(&mut catalogue, reading);
    now::add(&mut catalogue, reading);
    time::add(&mut catalogue, reading);
    shards::add(&mut catalogue, reading);
    capacity::add(&mut catalogue, reading);
    process::add(&mut catalogue, reading);
    catalogue
}
