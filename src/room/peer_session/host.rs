//! Who hosts: the authority if it can, else who has sat there longest.

use super::super::{Roster, Seat};
use super::endpoint;
use super::session::{Path, Way};
use crate::protocol::{DirectEndpoint, PlayerId};

/// A path of this way; `None` where it needs a host and nobody can be it.
pub(super) fn settle(way: Way, roster: &Roster, authority: Option<PlayerId>) -> Option<Path> {
    let able = || roster.seats().filter(|seat| way.is_open_to(seat.abilities()));
    match way {
        Way::Relay => Some(Path::Relay),
        Way::Mesh => Some(Path::Mesh),
        Way::Host => {
            let (host, ()) = first(able().map(|seat| (seat, ())), authority)?;
            Some(Path::Host(host.player()))
        }
        Way::DirectHost => {
            let reachable = able().filter_map(|seat| Some((seat, endpoint::usable(seat)?)));
            let (host, endpoint): (&Seat, DirectEndpoint) = first(reachable, authority)?;
            Some(Path::DirectHost(host.player(), endpoint))
        }
    }
}

/// The authority; else who took its seat first.
fn first<'a, T>(candidates: impl Iterator<Item = (&'a Seat, T)>, authority: Option<PlayerId>) -> Option<(&'a Seat, T)> {
    candidates.min_by_key(|(seat, _)| (authority != Some(seat.player()), seat.arrival()))
}
