use super::super::tests::{NOW_MS, connection, id, join, newcomer, room_led_by_mira, settings, token};
use super::*;
use crate::budget::Allowance;
use crate::protocol::{Abilities, Dialect, RoomId, WallTime};
use crate::room::bans::MAX_BANS;
use crate::room::{Claim, JoinRefusal, Member, RedeemRefusal, RoomSettings, Spot, Visitor, WatchRefusal};

const MIRA: u8 = 1;
const OTTO: u8 = 2;
const KITE: u8 = 7;
const WINDOW_MS: u64 = 300_000;

fn visitor(number: u8, name: &str) -> Visitor<'_> {
    Visitor {
        player: id(number),
        spot: Spot::Here(Member {
            connection: connection(number),
            dialect: Dialect::FLOOR,
        }),
        app: None,
        name,
        password: None,
    }
}

fn watch(room: &mut Room, number: u8, name: &str) -> Result<(), WatchRefusal> {
    room.watch(visitor(number, name), NOW_MS, WallTime::default())
}

/// Mira leads, Otto sits, Kite watches.
fn full_room() -> Room {
    let mut room = room_led_by_mira();
    join(&mut room, newcomer(OTTO, "Otto")).expect("a free seat");
    watch(&mut room, KITE, "Kite").expect("a free place");
    room
}

fn room_that_lost_otto() -> Room {
    let mut room = full_room();
    room.lose(connection(OTTO), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
        .expect("seated");
    room
}

fn return_of_otto(room: &mut Room, now_ms: u64) -> Option<RedeemRefusal> {
    let text = serde_json::to_string(&token(OTTO)).expect("tokens serialise");
    let secret = Secret::new(text.trim_matches('"'));
    let claim = Claim {
        player: id(OTTO),
        token: &secret,
        certificate: None,
        room_id: RoomId::in_slot(7, [3; 16]),
        member: Member {
            connection: connection(20),
            dialect: Dialect::FLOOR,
        },
        next_token: token(99),
        abilities: Abilities::RELAY_ONLY,
        app: None,
        app_seat_limit: None,
    };
    room.redeem(claim, |_| true, now_ms).err()
}

#[test]
fn only_the_authority_moderates_and_only_others() {
    let mut room = full_room();
    let (mira, otto, nobody) = (id(MIRA), id(OTTO), id(99));
    let denied = Some(ModerationRefusal::NotAuthority);
    assert_eq!(
        room.kick(otto, otto, NOW_MS).err(),
        denied,
        "authority is checked before the target"
    );
    assert_eq!(room.ban(otto, nobody, NOW_MS).err(), denied);
    assert_eq!(room.unban(otto, nobody, NOW_MS).err(), denied);
    assert_eq!(room.set_access(otto, None, NOW_MS).err(), denied);
    assert_eq!(room.transfer_authority(otto, otto, NOW_MS).err(), denied);
    assert_eq!(room.check_authority(otto).err(), denied);
    assert_eq!(room.kick(mira, mira, NOW_MS), Err(ModerationRefusal::Itself));
    assert_eq!(room.ban(mira, mira, NOW_MS), Err(ModerationRefusal::Itself));
    assert_eq!(
        room.transfer_authority(mira, mira, NOW_MS),
        Err(ModerationRefusal::Itself)
    );
    assert_eq!(room.kick(mira, nobody, NOW_MS), Err(ModerationRefusal::TargetNotFound));
    assert_eq!(room.ban(mira, nobody, NOW_MS), Err(ModerationRefusal::TargetNotFound));
    assert_eq!(
        room.unban(mira, nobody, NOW_MS),
        Ok(()),
        "lifting a ban always succeeds"
    );
}

#[test]
fn a_room_without_an_authority_is_moderated_by_nobody() {
    let mut room = Room::new(
        RoomSettings {
            supports_authority: false,
            ..settings()
        },
        NOW_MS,
    );
    room.seat_creator(newcomer(MIRA, "Mira"), NOW_MS, WallTime::default());
    assert_eq!(room.check_authority(id(MIRA)), Err(ModerationRefusal::NotAuthority));
}

#[test]
fn a_removal_meets_those_who_sit_and_those_who_watch_and_keeps_nobody_out() {
    let mut room = full_room();
    assert_eq!(
        room.kick(id(MIRA), id(OTTO), NOW_MS),
        Ok(Removed::Seated(connection(OTTO)))
    );
    room.leave(connection(OTTO), NOW_MS)
        .expect("the shard ends the connection");
    assert_eq!(
        room.kick(id(MIRA), id(OTTO), NOW_MS),
        Err(ModerationRefusal::TargetNotFound)
    );
    join(&mut room, newcomer(3, "Otto")).expect("a kicked person may come again");
    assert_eq!(
        room.kick(id(MIRA), id(KITE), NOW_MS),
        Ok(Removed::Watching(Watcher::Here(connection(KITE))))
    );
}

#[test]
fn the_record_of_a_removed_absent_player_opens_nothing_and_says_why() {
    let mut room = room_that_lost_otto();
    assert_eq!(room.kick(id(MIRA), id(OTTO), NOW_MS), Ok(Removed::Absent));
    assert!(!room.awaits_somebody(), "nobody can come back");
    assert_eq!(return_of_otto(&mut room, NOW_MS), Some(RedeemRefusal::Removed));
    assert_eq!(
        room.kick(id(MIRA), id(OTTO), NOW_MS),
        Err(ModerationRefusal::TargetNotFound),
        "it is gone already"
    );
    assert!(room.has_record_of(id(OTTO)));
    room.forget_expired(NOW_MS + WINDOW_MS);
    assert!(!room.has_record_of(id(OTTO)));
    assert_eq!(
        return_of_otto(&mut room, NOW_MS + WINDOW_MS),
        Some(RedeemRefusal::NoRecord)
    );
}

#[test]
fn removing_one_absent_player_leaves_the_records_of_the_others() {
    let mut room = room_that_lost_otto();
    join(&mut room, newcomer(3, "Wren")).expect("a free seat");
    room.lose(connection(3), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
        .expect("seated");
    assert_eq!(room.kick(id(MIRA), id(3), NOW_MS), Ok(Removed::Absent));
    assert!(room.awaits_somebody());
    assert_eq!(return_of_otto(&mut room, NOW_MS), None);
}

#[test]
fn a_ban_holds_against_the_id_and_the_name_of_the_banned_until_it_is_lifted() {
    let mut room = full_room();
    assert_eq!(
        room.ban(id(MIRA), id(OTTO), NOW_MS),
        Ok(Removed::Seated(connection(OTTO)))
    );
    room.leave(connection(OTTO), NOW_MS).expect("seated");
    assert_eq!(
        join(&mut room, newcomer(OTTO, "Rook")),
        Err(JoinRefusal::Banned),
        "the same connection"
    );
    assert_eq!(
        join(&mut room, newcomer(3, "OTTO")),
        Err(JoinRefusal::Banned),
        "another connection under the same name"
    );
    room.stop_watching(Watcher::Here(connection(KITE)), NOW_MS);
    assert_eq!(watch(&mut room, 3, "oTTo"), Err(WatchRefusal::Banned));
    assert_eq!(watch(&mut room, OTTO, "Rook"), Err(WatchRefusal::Banned));
    room.unban(id(MIRA), id(3), NOW_MS).expect("always succeeds");
    assert_eq!(join(&mut room, newcomer(3, "Otto")), Err(JoinRefusal::Banned));
    room.unban(id(MIRA), id(OTTO), NOW_MS).expect("always succeeds");
    join(&mut room, newcomer(3, "Otto")).expect("the ban was lifted");
}

#[test]
fn a_ban_of_an_absent_player_holds_against_its_record_and_its_name() {
    let mut room = room_that_lost_otto();
    assert_eq!(room.ban(id(MIRA), id(OTTO), NOW_MS), Ok(Removed::Absent));
    assert_eq!(return_of_otto(&mut room, NOW_MS), Some(RedeemRefusal::Removed));
    assert_eq!(join(&mut room, newcomer(3, "Otto")), Err(JoinRefusal::Banned));
}

#[test]
fn a_banned_spectator_cannot_drag_a_player_of_its_name_along() {
    let mut room = room_led_by_mira();
    watch(&mut room, KITE, "Mira").expect("names of spectators need not be unique");
    assert_eq!(
        room.ban(id(MIRA), id(KITE), NOW_MS),
        Ok(Removed::Watching(Watcher::Here(connection(KITE))))
    );
    room.stop_watching(Watcher::Here(connection(KITE)), NOW_MS);
    assert_eq!(watch(&mut room, KITE, "Kite"), Err(WatchRefusal::Banned));
    room.leave(connection(MIRA), NOW_MS).expect("seated");
    join(&mut room, newcomer(MIRA, "Mira")).expect("she was never banned");
}

#[test]
fn a_ban_spares_the_name_of_a_player_who_may_come_back() {
    let mut room = room_that_lost_otto();
    join(&mut room, newcomer(3, "Otto")).expect("the name is free");
    room.ban(id(MIRA), id(3), NOW_MS).expect("seated");
    room.leave(connection(3), NOW_MS).expect("seated");
    assert_eq!(return_of_otto(&mut room, NOW_MS), None);
    assert_eq!(join(&mut room, newcomer(3, "Rook")), Err(JoinRefusal::Banned));
}

#[test]
fn the_oldest_ban_is_forgotten_for_a_newer_one() {
    let mut room = room_led_by_mira();
    for number in 0..=MAX_BANS {
        let player = PlayerId::from_bytes(std::array::from_fn(|index| {
            if index < 8 { number.to_le_bytes()[index] } else { 9 }
        }));
        let name = format!("Guest {number}");
        let guest = crate::room::Newcomer {
            player,
            folded_name: fold_name(&name).into(),
            ..newcomer(OTTO, &name)
        };
        join(&mut room, guest).expect("a free seat");
        room.ban(id(MIRA), player, NOW_MS).expect("seated");
        room.leave(connection(OTTO), NOW_MS).expect("seated");
    }
    assert_eq!(room.bans.0.len(), MAX_BANS);
    assert_eq!(join(&mut room, newcomer(OTTO, "Guest 1")), Err(JoinRefusal::Banned));
    join(&mut room, newcomer(OTTO, "Guest 0")).expect("its ban was the oldest");
}

#[test]
fn a_banned_player_must_know_the_password_to_hear_of_its_ban() {
    let mut room = full_room();
    room.ban(id(MIRA), id(OTTO), NOW_MS).expect("seated");
    room.leave(connection(OTTO), NOW_MS).expect("seated");
    assert_eq!(room.set_access(id(MIRA), Some(Secret::new("sesame")), NOW_MS), Ok(true));
    assert_eq!(join(&mut room, newcomer(OTTO, "Otto")), Err(JoinRefusal::Password));
    assert_eq!(room.set_access(id(MIRA), None, NOW_MS), Ok(false));
    assert_eq!(join(&mut room, newcomer(OTTO, "Otto")), Err(JoinRefusal::Banned));
}

#[test]
fn the_authority_goes_to_players_only_and_its_holder_loses_it() {
    let mut room = full_room();
    for nobody in [KITE, 99] {
        assert_eq!(
            room.transfer_authority(id(MIRA), id(nobody), NOW_MS),
            Err(ModerationRefusal::HeirNotFound)
        );
    }
    assert_eq!(room.transfer_authority(id(MIRA), id(OTTO), NOW_MS), Ok(()));
    assert_eq!(room.authority(), Some(id(OTTO)));
    assert_eq!(
        room.kick(id(MIRA), id(OTTO), NOW_MS),
        Err(ModerationRefusal::NotAuthority)
    );
    let mut room = room_that_lost_otto();
    assert_eq!(
        room.transfer_authority(id(MIRA), id(OTTO), NOW_MS),
        Err(ModerationRefusal::HeirNotFound),
        "nor to one who is away"
    );
}
