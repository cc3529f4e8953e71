//! What is refused of archives, and what is not.

use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{FrozenShard, Incoherent};

use super::pair;
use super::rig::{Link, Rig, Step};
use super::server::{limits, settings};
use super::wire::game_data;

#[test]
fn what_was_admitted_is_not_refused_under_smaller_limits() {
    let mut rig = Rig::new(settings(), limits(), 1);
    rig.play(&pair(), None);
    rig.set_limits(AdmissionLimits {
        connections: 1,
        rooms: 0,
        ..limits()
    });
    rig.change_process(2);
    let admitted = rig.outcome().admitted;
    assert_eq!((admitted.connections, admitted.rooms), (2, 1));
}

#[test]
fn archives_that_make_no_whole_are_refused() {
    let mut rig = Rig::new(settings(), limits(), 3);
    rig.play(&pair(), None);
    let archives = rig.freeze();
    let all: Vec<&[u8]> = archives.iter().map(|bytes| &**bytes).collect();
    assert!(rig.deal(&all).is_ok());
    let twice = [all.clone(), all.clone()].concat();
    assert!(matches!(rig.deal(&twice).err(), Some(Incoherent::TwoRooms(_))));
    let elsewhere = Rig::with_slot_key([8; 16]);
    assert!(matches!(elsewhere.deal(&all).err(), Some(Incoherent::SlotKey(_))));
}

#[test]
fn a_damaged_archive_never_ends_the_process() {
    let mut rig = Rig::new(settings(), limits(), 1);
    let mut script = pair();
    script.push(Step::Room(0, 9));
    script.push(Step::Send(1, game_data("1")));
    rig.play(&script, None);
    let archive = rig.freeze().remove(0);
    let mut refused = 0;
    for at in 0..archive.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = archive.to_vec();
            damaged[at] ^= flip;
            refused += usize::from(FrozenShard::<Link>::from_bytes(&damaged).is_err() || rig.deal_fails(&damaged));
        }
        assert!(FrozenShard::<Link>::from_bytes(&archive[..at]).is_err(), "cut at {at}");
    }
    // A flipped bit in a name or in a payload makes another valid archive: checksums are the transport's.
    assert!(
        refused > archive.len() / 4,
        "{refused} of {} were noticed",
        archive.len() * 3
    );
}
