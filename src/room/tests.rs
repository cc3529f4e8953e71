use super::*;
use crate::protocol::{
    Abilities, AppId, Dialect, LobbyState, PlayerId, ReconnectToken, RoomCode, RoomId, Secret, Stamp, WallTime,
    fold_name,
};

pub(super) const NOW_MS: u64 = 1_000;

pub(super) fn id(number: u8) -> PlayerId {
    PlayerId::from_bytes([number; 16])
}

pub(super) fn connection(number: u8) -> ConnectionKey {
    ConnectionKey {
        index: u32::from(number),
        generation: 1,
    }
}

pub(super) fn newcomer(number: u8, name: &str) -> Newcomer<'_> {
    Newcomer {
        player: id(number),
        member: Member {
            connection: connection(number),
            dialect: Dialect::FLOOR,
        },
        app: None,
        app_seat_limit: None,
        name,
        folded_name: fold_name(name).into(),
        password: None,
        epoch: 1,
        token: token(number),
        certificate: None,
        abilities: Abilities::RELAY_ONLY,
    }
}

pub(super) fn token(number: u8) -> ReconnectToken {
    ReconnectToken::in_slot(7, [number; 16])
}

pub(super) fn settings() -> RoomSettings {
    RoomSettings {
        id: RoomId::in_slot(7, [3; 16]),
        game_name: "tide-pool".into(),
        code: RoomCode::parse("K7QW2M", 6).expect("well-formed"),
        owner: None,
        max_players: 2,
        supports_authority: true,
        password: None,
        max_spectators: Some(1),
    }
}

pub(super) fn room_led_by_mira() -> Room {
    let mut room = Room::new(settings(), NOW_MS);
    room.seat_creator(newcomer(1, "Mira"), NOW_MS, WallTime::default());
    room
}

pub(super) fn join(room: &mut Room, newcomer: Newcomer<'_>) -> Result<(), JoinRefusal> {
    room.join(newcomer, NOW_MS, WallTime::default())
}

#[test]
fn the_creator_leads_and_a_joiner_never_does() {
    let mut room = room_led_by_mira();
    assert_eq!(room.authority(), Some(id(1)));
    join(&mut room, newcomer(2, "Otto")).expect("a free seat");
    assert_eq!(room.authority(), Some(id(1)));
    let departure = room.leave(connection(1), NOW_MS).expect("she sat there");
    assert!(departure.held_authority);
    assert_eq!(room.authority(), None, "nobody inherits");
    assert!(room.leave(connection(1), NOW_MS).is_none(), "she is gone");
}

#[test]
fn joins_are_refused_in_the_protocols_order() {
    let mut room = Room::new(
        RoomSettings {
            owner: Some(AppId::new("a")),
            password: Some(Secret::new("sesame")),
            max_players: 1,
            ..settings()
        },
        NOW_MS,
    );
    room.seat_creator(newcomer(1, "Straße"), NOW_MS, WallTime::default());
    let app = AppId::new("a");
    let sesame = Secret::new("sesame");
    assert_eq!(join(&mut room, newcomer(2, "STRASSE")), Err(JoinRefusal::NotFound));
    let labelled = || Newcomer {
        app: Some(&app),
        ..newcomer(2, "STRASSE")
    };
    assert_eq!(join(&mut room, labelled()), Err(JoinRefusal::Password));
    let knowing = || Newcomer {
        password: Some(&sesame),
        ..labelled()
    };
    assert_eq!(join(&mut room, knowing()), Err(JoinRefusal::NameTaken));
    assert_eq!(
        join(
            &mut room,
            Newcomer {
                folded_name: "otto".into(),
                ..knowing()
            }
        ),
        Err(JoinRefusal::Full)
    );
}

#[test]
fn an_open_room_refuses_a_password() {
    let mut room = room_led_by_mira();
    let word = Secret::new("sesame");
    assert_eq!(
        join(
            &mut room,
            Newcomer {
                password: Some(&word),
                ..newcomer(2, "Otto")
            }
        ),
        Err(JoinRefusal::Password)
    );
}

#[test]
fn an_applications_seat_limit_counts_when_it_is_the_smaller_one() {
    let mut room = Room::new(
        RoomSettings {
            max_players: 8,
            ..settings()
        },
        NOW_MS,
    );
    room.seat_creator(newcomer(1, "Mira"), NOW_MS, WallTime::default());
    assert_eq!(
        join(
            &mut room,
            Newcomer {
                app_seat_limit: Some(1),
                ..newcomer(2, "Otto")
            }
        ),
        Err(JoinRefusal::Full)
    );
}

#[test]
fn a_room_of_nobodys_is_adopted_by_the_first_labelled_joiner() {
    let mut room = room_led_by_mira();
    let app = AppId::new("a");
    join(
        &mut room,
        Newcomer {
            app: Some(&app),
            ..newcomer(2, "Otto")
        },
    )
    .expect("a free seat");
    assert_eq!(room.owner(), Some(&app));
    assert!(!room.is_visible_to(None) && room.is_visible_to(Some(&app)));
}

#[test]
fn the_game_starts_when_all_are_ready_and_the_leader_says_so() {
    let mut room = room_led_by_mira();
    join(&mut room, newcomer(2, "Otto")).expect("a free seat");
    assert_eq!(
        room.start(id(2), NOW_MS),
        Err(StartRefusal::NotAuthority),
        "authority is checked before readiness"
    );
    assert_eq!(room.start(id(1), NOW_MS), Err(StartRefusal::NotReady));
    room.toggle_ready(connection(1), NOW_MS).expect("not started");
    room.toggle_ready(connection(2), NOW_MS).expect("not started");
    assert!(room.all_ready());
    assert_eq!(room.start(id(1), NOW_MS), Ok(()));
    assert_eq!(room.lobby_state(), LobbyState::Finalized);
    assert_eq!(room.start(id(1), NOW_MS), Err(StartRefusal::Started));
    assert_eq!(room.toggle_ready(connection(2), NOW_MS), Err(ReadyRefusal::Started));
}

#[test]
fn anyone_may_start_a_room_that_nobody_leads() {
    let mut room = room_led_by_mira();
    join(&mut room, newcomer(2, "Otto")).expect("a free seat");
    room.leave(connection(1), NOW_MS);
    room.toggle_ready(connection(2), NOW_MS).expect("not started");
    assert_eq!(room.start(id(2), NOW_MS), Ok(()));
}

#[test]
fn readiness_does_not_survive_leaving() {
    let mut room = room_led_by_mira();
    room.toggle_ready(connection(1), NOW_MS).expect("not started");
    assert_eq!(room.ready_players(), [id(1)]);
    room.leave(connection(1), NOW_MS);
    join(&mut room, newcomer(1, "Mira")).expect("a free seat");
    assert!(room.ready_players().is_empty() && !room.all_ready());
}

#[test]
fn authority_is_claimed_and_released_by_the_rules() {
    let mut room = room_led_by_mira();
    assert_eq!(
        room.claim_authority(id(1), NOW_MS),
        Err(AuthorityRefusal::Held),
        "even by its holder"
    );
    assert_eq!(room.release_authority(id(2), NOW_MS), Err(AuthorityRefusal::NotHolder));
    assert_eq!(room.release_authority(id(1), NOW_MS), Ok(()));
    assert_eq!(room.claim_authority(id(2), NOW_MS), Ok(()));
    let mut flat = Room::new(
        RoomSettings {
            supports_authority: false,
            ..settings()
        },
        NOW_MS,
    );
    flat.seat_creator(newcomer(1, "Mira"), NOW_MS, WallTime::default());
    assert_eq!(flat.authority(), None);
    assert_eq!(flat.claim_authority(id(1), NOW_MS), Err(AuthorityRefusal::NotSupported));
    assert_eq!(
        flat.release_authority(id(1), NOW_MS),
        Err(AuthorityRefusal::NotSupported)
    );
}

#[test]
fn every_senders_stream_is_numbered_without_holes() {
    let mut room = room_led_by_mira();
    join(
        &mut room,
        Newcomer {
            epoch: 3,
            ..newcomer(2, "Otto")
        },
    )
    .expect("a free seat");
    assert_eq!(
        room.stamp(connection(2), NOW_MS),
        Some((id(2), Stamp { epoch: 3, seq: 1 }))
    );
    assert_eq!(
        room.stamp(connection(1), NOW_MS),
        Some((id(1), Stamp { epoch: 1, seq: 1 }))
    );
    assert_eq!(
        room.stamp(connection(2), NOW_MS),
        Some((id(2), Stamp { epoch: 3, seq: 2 }))
    );
    assert_eq!(
        room.leave(connection(2), NOW_MS).expect("seated").last,
        Stamp { epoch: 3, seq: 2 }
    );
    assert_eq!(room.stamp(connection(2), NOW_MS), None);
}

#[test]
fn spectators_take_no_seat_and_need_no_name_of_their_own() {
    let mut room = room_led_by_mira();
    let visitor = |number| Visitor {
        player: id(number),
        spot: Spot::Here(Member {
            connection: connection(number),
            dialect: Dialect::FLOOR,
        }),
        app: None,
        name: "Mira",
        password: None,
    };
    room.watch(visitor(7), NOW_MS, WallTime::default())
        .expect("a free place");
    assert_eq!(
        room.watch(visitor(8), NOW_MS, WallTime::default()),
        Err(WatchRefusal::Full)
    );
    let word = Secret::new("sesame");
    let knowing = Visitor {
        password: Some(&word),
        ..visitor(8)
    };
    assert_eq!(
        room.watch(knowing, NOW_MS, WallTime::default()),
        Err(WatchRefusal::Password)
    );
    join(&mut room, newcomer(2, "Otto")).expect("the gallery takes no seat");
    assert_eq!(room.audience().concat().len(), 3);
    assert_eq!(room.stop_watching(Watcher::Here(connection(7)), NOW_MS), Some(id(7)));
    assert_eq!(room.stop_watching(Watcher::Here(connection(7)), NOW_MS), None);
}

#[test]
fn a_room_with_a_spectator_is_not_empty() {
    let mut room = room_led_by_mira();
    let visitor = Visitor {
        player: id(7),
        spot: Spot::Here(Member {
            connection: connection(7),
            dialect: Dialect::FLOOR,
        }),
        app: None,
        name: "Kite",
        password: None,
    };
    room.watch(visitor, NOW_MS, WallTime::default()).expect("a free place");
    room.leave(connection(1), NOW_MS);
    assert!(!room.is_empty());
    room.stop_watching(Watcher::Here(connection(7)), NOW_MS);
    assert!(room.is_empty());
}
