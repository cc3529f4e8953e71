use super::*;
use crate::protocol::server_message::{GallerySight, SpectatorInfo, SpectatorReason};
use crate::protocol::{CertificateFingerprint, ConnectionInfo, Dialect, LobbyState, Stamp, WallTime};
use crate::room::Newcomer;
use crate::room::disconnected_seat::MAX_ABSENT;
use crate::room::missed::MissedEvents;
use crate::room::tests::{NOW_MS, connection, id, join, newcomer, room_led_by_mira, settings};

const WINDOW_MS: u64 = 300_000;

fn text(token: &ReconnectToken) -> Secret {
    let quoted = serde_json::to_string(token).expect("tokens serialise");
    Secret::new(quoted.trim_matches('"'))
}

fn claim(number: u8, token: &Secret, link_number: u8) -> Claim<'_> {
    Claim {
        player: id(number),
        token,
        certificate: None,
        room_id: RoomId::in_slot(7, [3; 16]),
        member: Member {
            connection: connection(link_number),
            dialect: Dialect::FLOOR,
        },
        next_token: crate::room::tests::token(99),
        abilities: Abilities::RELAY_ONLY,
        app: None,
        app_seat_limit: None,
    }
}

fn on_version_3(newcomer: Newcomer<'_>) -> Newcomer<'_> {
    let dialect = Dialect::unnegotiated(ProtocolVersion::V3);
    Newcomer {
        member: Member {
            dialect,
            ..newcomer.member
        },
        ..newcomer
    }
}

/// What is told of a spectator who comes to a gallery that has so many then.
fn spectator_came(name: &str, everybody: usize) -> ServerMessage<'_> {
    let info = || SpectatorInfo {
        id: id(7),
        name,
        connected_at: WallTime::default(),
    };
    ServerMessage::NewSpectatorJoined {
        spectator: info(),
        gallery: GallerySight {
            count: everybody,
            everybody: (0..everybody).map(|_| info()).collect(),
        },
    }
}

fn room_that_lost_mira() -> Room {
    let mut room = Room::new(settings(), NOW_MS);
    room.seat_creator(on_version_3(newcomer(1, "Mira")), NOW_MS, WallTime::default());
    join(&mut room, newcomer(2, "Otto")).expect("a free seat");
    room.toggle_ready(connection(1), NOW_MS).expect("not started");
    room.stamp(connection(1), NOW_MS);
    let loss = room
        .lose(connection(1), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
        .expect("seated");
    assert!(loss.held_authority && room.has_record_of(id(1)));
    room
}

fn left(number: u8) -> MissedEvent {
    MissedEvent::PlayerLeft {
        player: id(number),
        last: Stamp { epoch: 1, seq: 0 },
    }
}

#[test]
fn a_player_comes_back_once_with_a_new_epoch_its_readiness_and_its_authority() {
    let mut room = room_that_lost_mira();
    room.keep_event(left(2), 100);
    room.keep_event(left(1), 100);
    let token = text(&crate::room::tests::token(1));
    let back = room.redeem(claim(1, &token, 5), |_| true, NOW_MS + 1).expect("in time");
    assert_eq!((back.epoch, back.regains_authority, back.missed.len()), (2, true, 1));
    assert_eq!(room.ready_players(), [id(1)]);
    assert_eq!(
        room.roster().seat(connection(5)).expect("seated").stamp(),
        Stamp { epoch: 2, seq: 0 }
    );
    assert!(!room.awaits_somebody());
    assert_eq!(
        room.redeem(claim(1, &token, 6), |_| true, NOW_MS + 1).err(),
        Some(RedeemRefusal::NoRecord)
    );
}

#[test]
fn returns_are_refused_in_the_protocols_order_and_stay_possible() {
    let mut room = room_that_lost_mira();
    let (token, wrong) = (text(&crate::room::tests::token(1)), Secret::new("guess"));
    let refusal = |room: &mut Room, claim, now_ms| room.redeem(claim, |_| true, now_ms).err();
    assert_eq!(
        refusal(&mut room, claim(7, &token, 5), NOW_MS),
        Some(RedeemRefusal::NoRecord)
    );
    assert_eq!(
        refusal(&mut room, claim(1, &wrong, 5), NOW_MS),
        Some(RedeemRefusal::Token)
    );
    let elsewhere = Claim {
        room_id: RoomId::in_slot(8, [3; 16]),
        ..claim(1, &token, 5)
    };
    assert_eq!(refusal(&mut room, elsewhere, NOW_MS), Some(RedeemRefusal::Token));
    let late = NOW_MS + WINDOW_MS;
    assert_eq!(
        refusal(&mut room, claim(1, &token, 5), late),
        Some(RedeemRefusal::Expired)
    );
    join(&mut room, newcomer(3, "MIRA")).expect("her seat is free, and so is her name");
    assert_eq!(
        refusal(&mut room, claim(1, &token, 5), NOW_MS),
        Some(RedeemRefusal::Full)
    );
    room.leave(connection(2), NOW_MS);
    assert_eq!(
        refusal(&mut room, claim(1, &token, 5), NOW_MS),
        Some(RedeemRefusal::NameTaken)
    );
    room.leave(connection(3), NOW_MS);
    assert!(room.redeem(claim(1, &token, 5), |_| true, NOW_MS).is_ok());
}

#[test]
fn a_seat_is_given_back_to_the_certificate_that_took_it() {
    let (hers, another) = (
        CertificateFingerprint::of(b"Mira's"),
        CertificateFingerprint::of(b"Otto's"),
    );
    let (first, next) = (
        text(&crate::room::tests::token(1)),
        text(&crate::room::tests::token(99)),
    );
    let mut room = Room::new(settings(), NOW_MS);
    let mira = Newcomer {
        certificate: Some(hers),
        ..on_version_3(newcomer(1, "Mira"))
    };
    room.seat_creator(mira, NOW_MS, WallTime::default());
    for (token, old_link, new_link) in [(&first, 1, 5), (&next, 5, 6)] {
        room.lose(connection(old_link), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
            .expect("seated");
        for certificate in [None, Some(another)] {
            let claim = Claim {
                certificate,
                ..claim(1, token, new_link)
            };
            let refusal = room.redeem(claim, |_| true, NOW_MS).err();
            assert_eq!(refusal, Some(RedeemRefusal::Token), "{certificate:?}");
        }
        let claim = Claim {
            certificate: Some(hers),
            ..claim(1, token, new_link)
        };
        room.redeem(claim, |_| true, NOW_MS).expect("refusals spend no token");
    }
}

#[test]
fn a_seat_that_is_tied_to_no_certificate_is_tied_to_the_one_that_takes_it_back() {
    let mut room = room_that_lost_mira();
    let (first, next) = (
        text(&crate::room::tests::token(1)),
        text(&crate::room::tests::token(99)),
    );
    let tied = Claim {
        certificate: Some(CertificateFingerprint::of(b"Mira's")),
        ..claim(1, &first, 5)
    };
    room.redeem(tied, |_| true, NOW_MS).expect("any may take it");
    room.lose(connection(5), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
        .expect("seated");
    let refusal = room.redeem(claim(1, &next, 6), |_| true, NOW_MS).err();
    assert_eq!(refusal, Some(RedeemRefusal::Token));
}

#[test]
fn what_others_did_meanwhile_counts() {
    let mut room = room_that_lost_mira();
    room.claim_authority(id(2), NOW_MS).expect("nobody holds it");
    room.toggle_ready(connection(2), NOW_MS).expect("not started");
    let token = text(&crate::room::tests::token(1));
    let back = room.redeem(claim(1, &token, 5), |_| true, NOW_MS).expect("in time");
    assert!(!back.regains_authority);
    assert_eq!(room.ready_players(), [id(2)]);
}

#[test]
fn the_oldest_events_are_pushed_out_and_that_is_told() {
    let mut room = room_that_lost_mira();
    for _ in 0..3 {
        room.keep_event(left(2), 2);
    }
    let token = text(&crate::room::tests::token(1));
    let back = room.redeem(claim(1, &token, 5), |_| true, NOW_MS).expect("in time");
    assert_eq!((back.missed.len(), back.is_truncated), (2, true));
}

#[test]
fn those_who_stay_away_are_forgotten_with_all_that_was_kept_for_them() {
    let mut room = room_that_lost_mira();
    room.keep_event(left(2), 100);
    room.forget_expired(NOW_MS + WINDOW_MS - 1);
    assert!(room.has_record_of(id(1)) && room.awaits_somebody());
    room.forget_expired(NOW_MS + WINDOW_MS);
    assert!(!room.has_record_of(id(1)));
    assert!(!room.awaits_somebody());
}

/// How much is kept of a room's absent players, archived: as good as what it takes in memory.
fn kept_bytes(room: &Room) -> usize {
    let archive = rkyv::to_bytes::<rkyv::rancor::Error>(&room.disconnected_seats);
    archive.expect("archived").len()
}

#[test]
fn an_event_keeps_no_roster() {
    let room = room_that_lost_mira();
    let cost = |everybody| {
        let event = room.missed(&spectator_came("Kite", everybody)).expect("mira is away");
        let mut events = MissedEvents::default();
        events.keep(event, 100);
        events.weight_bytes()
    };
    assert_eq!(cost(1), cost(2_000));
    assert!(cost(2_000) < 200, "{} bytes", cost(2_000));
}

#[test]
fn events_are_bounded_in_bytes_and_what_is_pushed_out_is_told() {
    let mut room = room_that_lost_mira();
    let everybody_is_ready = ServerMessage::LobbyStateChanged {
        lobby_state: LobbyState::Lobby,
        ready_players: (0..=255).map(id).collect(),
        all_ready: true,
    };
    let before = kept_bytes(&room);
    for round in 0..1_000 {
        let message = match round % 3 {
            0 => everybody_is_ready.clone(),
            1 => spectator_came("a name of thirty-two characters!", 2_000),
            _ => ServerMessage::SpectatorDisconnected {
                spectator_id: id(7),
                reason: SpectatorReason::Disconnected,
                gallery: GallerySight {
                    count: 1_999,
                    everybody: Vec::new(),
                },
            },
        };
        let event = room.missed(&message).expect("mira is away");
        room.keep_event(event, 65_536);
        assert!(room.disconnected_seats.events.weight_bytes() <= 64 * 1024);
        assert!(kept_bytes(&room) - before <= 80 * 1024, "{} bytes", kept_bytes(&room));
    }
    let token = text(&crate::room::tests::token(1));
    let back = room.redeem(claim(1, &token, 5), |_| true, NOW_MS).expect("in time");
    assert!(back.is_truncated && !back.missed.is_empty());
    assert_eq!(
        kept_bytes(&room),
        kept_bytes(&Room::new(settings(), NOW_MS)),
        "nobody is awaited"
    );
}

#[test]
fn an_absence_keeps_nothing_that_the_return_throws_away() {
    let mut room = Room::new(settings(), NOW_MS);
    room.seat_creator(newcomer(2, "Otto"), NOW_MS, WallTime::default());
    let before = kept_bytes(&room);
    for number in 0..MAX_ABSENT + 10 {
        let name = format!("a name of thirty-two characte{:03}", number);
        let mira = Newcomer {
            player: PlayerId::from_bytes([number as u8; 16]),
            folded_name: name.as_str().into(),
            name: &name,
            ..on_version_3(newcomer(1, "Mira"))
        };
        join(&mut room, mira).expect("a free seat");
        let info = ConnectionInfo::UnityRelay {
            allocation_id: "a".repeat(4_000),
            connection_data: "d".repeat(4_000),
            key: String::new(),
        };
        room.set_connection_info(connection(1), info);
        room.lose(connection(1), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
            .expect("seated");
    }
    let each = (kept_bytes(&room) - before) / MAX_ABSENT;
    assert!(each < 512, "{each} bytes for each of {MAX_ABSENT}");
}

#[test]
fn nothing_is_kept_for_those_who_were_told_no_token() {
    let mut room = room_led_by_mira();
    room.lose(connection(1), Allowance::new(NOW_MS), WINDOW_MS, NOW_MS)
        .expect("seated");
    assert!(room.awaits_somebody(), "the record is looked at, and the room stays");
    assert!(room.missed(&spectator_came("Kite", 1)).is_none());
}
