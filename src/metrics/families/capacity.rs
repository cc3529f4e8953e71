//! How many more rooms fit.

use super::super::capacity::Resource;
use super::super::family::{Catalogue, Kind, labelled};
use super::super::reading::Reading;

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("How much more fits");
    let capacity = reading.capacity.as_ref();
    catalogue.gauge(
        "capacity_rooms",
        "How many more rooms like the present ones fit before the first resource gives out. Nothing without rooms.",
        capacity.and_then(|capacity| capacity.more_rooms),
    );
    let supplies = Resource::ALL.into_iter().filter_map(|resource| {
        let of_it = capacity?.resources.iter().find(|supply| supply.resource == resource)?;
        Some(labelled([resource.name()], of_it.more_rooms?))
    });
    catalogue.add(
        Kind::Gauge,
        "capacity_rooms_by_resource",
        "How many of them each resource lets in.",
        &["resource"],
        supplies.collect(),
    );
}
