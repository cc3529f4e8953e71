use proptest::prelude::*;

use super::super::{Claim, Member, Newcomer, RoomSettings};
use super::*;
use crate::budget::Allowance;
use crate::protocol::{
    ConnectionInfo, Dialect, ProtocolVersion, ReconnectToken, RoomCode, RoomId, Secret, SessionPlan, Topology,
    Transport, WallTime,
};

const NOW_MS: u64 = 1_000;
const ALL: SessionRules = SessionRules {
    ceiling: Topology::Mesh,
    allows_webrtc: true,
    allows_direct: true,
};

fn id(number: u8) -> PlayerId {
    PlayerId::from_bytes([number; 16])
}

fn plan_id(number: u8) -> PlanId {
    PlanId::from_bytes([number; 16])
}

fn connection(number: u8) -> ConnectionKey {
    ConnectionKey {
        index: u32::from(number),
        generation: 1,
    }
}

fn member(number: u8) -> Member {
    Member {
        connection: connection(number),
        dialect: Dialect::unnegotiated(ProtocolVersion::V3),
    }
}

fn everything() -> Abilities {
    Abilities::of(Transport::ALL, Topology::ALL)
}

fn direct_only() -> Abilities {
    Abilities::of(&[Transport::Direct], &[Topology::Host])
}

fn room() -> Room {
    Room::new(
        RoomSettings {
            id: RoomId::in_slot(7, [3; 16]),
            game_name: "tide-pool".into(),
            code: RoomCode::parse("K7QW2M", 6).expect("well-formed"),
            owner: None,
            max_players: 100,
            supports_authority: true,
            password: None,
            max_spectators: None,
        },
        NOW_MS,
    )
}

/// Seats a player who joined at some moment; players of one room differ in number.
fn try_seat(
    room: &mut Room,
    number: u8,
    joined_at: u64,
    abilities: Abilities,
) -> Result<(), super::super::JoinRefusal> {
    let name = format!("p{number}");
    let newcomer = Newcomer {
        player: id(number),
        member: member(number),
        app: None,
        app_seat_limit: None,
        name: &name,
        folded_name: name.clone().into(),
        password: None,
        epoch: 1,
        token: ReconnectToken::in_slot(7, [number; 16]),
        certificate: None,
        abilities,
    };
    let at = WallTime { unix_nanos: joined_at };
    room.join(newcomer, NOW_MS, at)
}

fn seat(room: &mut Room, number: u8, joined_at: u64, abilities: Abilities) {
    try_seat(room, number, joined_at, abilities).expect("a free seat");
}

/// A started room of players who joined in this order.
fn started(players: &[u8], abilities: Abilities, rules: SessionRules) -> Room {
    let mut room = room();
    for (at, number) in players.iter().enumerate() {
        seat(&mut room, *number, at as u64, abilities);
    }
    room.begin_peer_session(rules, plan_id(1));
    room
}

fn shape(room: &Room) -> (Topology, Transport, Option<PlayerId>) {
    let session = room.peer_session().expect("started");
    (session.topology(), session.transport(), session.host())
}

fn plan(room: &Room, number: u8) -> SessionPlan<'_> {
    let seat = room.roster().seat_of(id(number)).expect("seated");
    room.briefing(seat).expect("started").plan
}

/// Whom a member connects to: number, whether it is shown as leading, who calls.
fn peers(room: &Room, number: u8) -> Vec<(u8, bool, bool)> {
    let mut peers: Vec<_> = plan(room, number)
        .peers
        .iter()
        .map(|peer| (peer.player_id.as_bytes()[0], peer.is_authority, peer.initiate))
        .collect();
    peers.sort_unstable();
    peers
}

fn reach(room: &mut Room, number: u8, host: &str, port: u16) {
    let host = host.to_owned();
    room.set_connection_info(connection(number), ConnectionInfo::Direct { host, port });
}

const MESH: (Topology, Transport, Option<PlayerId>) = (Topology::Mesh, Transport::WebRtc, None);
const RELAY: (Topology, Transport, Option<PlayerId>) = (Topology::Relay, Transport::Relay, None);

fn hosted_by(number: u8) -> (Topology, Transport, Option<PlayerId>) {
    (Topology::Host, Transport::WebRtc, Some(id(number)))
}

fn reached_at(number: u8) -> (Topology, Transport, Option<PlayerId>) {
    (Topology::Host, Transport::Direct, Some(id(number)))
}

#[test]
fn the_first_way_that_everybody_may_and_can_take_is_taken() {
    let below = |ceiling| SessionRules { ceiling, ..ALL };
    let without_webrtc = SessionRules {
        allows_webrtc: false,
        ..ALL
    };
    let abilities = |transports: &[Transport], topologies: &[Topology]| Abilities::of(transports, topologies);
    let cases = [
        (ALL, everything(), MESH),
        (below(Topology::Host), everything(), hosted_by(1)),
        (below(Topology::Relay), everything(), RELAY),
        (without_webrtc, everything(), RELAY),
        (ALL, abilities(&[Transport::WebRtc], &[Topology::Host]), hosted_by(1)),
        (ALL, abilities(&[Transport::WebRtc], &[]), RELAY),
        (ALL, abilities(&[], &[Topology::Mesh, Topology::Host]), RELAY),
        (ALL, direct_only(), RELAY),
        (ALL, Abilities::RELAY_ONLY, RELAY),
    ];
    for (rules, abilities, expected) in cases {
        assert_eq!(
            shape(&started(&[1, 2], abilities, rules)),
            expected,
            "{rules:?} {abilities:?}"
        );
    }
}

#[test]
fn one_member_that_can_do_less_decides_for_all() {
    for (least, expected) in [
        (Abilities::RELAY_ONLY, RELAY),
        (Abilities::of(&[Transport::WebRtc], &[Topology::Host]), hosted_by(1)),
    ] {
        let mut room = room();
        seat(&mut room, 1, 0, everything());
        seat(&mut room, 2, 1, least);
        room.begin_peer_session(ALL, plan_id(1));
        assert_eq!(shape(&room), expected);
    }
}

#[test]
fn a_direct_session_needs_a_member_that_can_be_reached_and_is_switched_off_alone() {
    let mut reachable = room();
    seat(&mut reachable, 1, 0, direct_only());
    seat(&mut reachable, 2, 1, direct_only());
    reach(&mut reachable, 2, "203.0.113.7", 7777);
    reachable.begin_peer_session(ALL, plan_id(1));
    assert_eq!(shape(&reachable), reached_at(2), "the earlier joiner cannot be reached");
    let endpoint = plan(&reachable, 1).direct_endpoint.cloned();
    assert_eq!(
        plan(&reachable, 2).direct_endpoint.cloned(),
        endpoint,
        "the host gets it too"
    );
    assert_eq!(
        endpoint.map(|at| (at.host, at.port)),
        Some(("203.0.113.7".to_owned(), 7777))
    );
    let switched_off = SessionRules {
        allows_direct: false,
        ..ALL
    };
    reachable.begin_peer_session(switched_off, plan_id(2));
    assert_eq!(shape(&reachable), RELAY);
}

#[test]
fn the_authority_hosts_or_who_sat_down_first() {
    let rules = SessionRules {
        ceiling: Topology::Host,
        ..ALL
    };
    let mut room = started(&[5, 3, 4], everything(), rules);
    assert_eq!(shape(&room), hosted_by(5), "nobody leads; the first joiner hosts");
    room.claim_authority(id(4), NOW_MS).expect("nobody holds it");
    assert_eq!(shape(&room), hosted_by(5), "a claim moves no host");
    room.begin_peer_session(rules, plan_id(2));
    assert_eq!(shape(&room), hosted_by(4));
}

#[test]
fn a_wall_clock_that_is_set_back_moves_no_host() {
    let rules = SessionRules {
        ceiling: Topology::Host,
        ..ALL
    };
    let mut room = room();
    for (number, joined_at) in [(9, 77), (2, 77), (6, 5)] {
        seat(&mut room, number, joined_at, everything());
    }
    room.begin_peer_session(rules, plan_id(1));
    assert_eq!(shape(&room), hosted_by(9));

    // Who comes back was there before all who came meanwhile; who joins anew was not.
    room.lose(connection(9), Allowance::new(NOW_MS), 1_000, NOW_MS)
        .expect("seated");
    room.replace_host(id(9), plan_id(2));
    assert_eq!(shape(&room), hosted_by(2));
    let token = serde_json::to_string(&ReconnectToken::in_slot(7, [9; 16])).expect("tokens serialise");
    let token = Secret::new(token.trim_matches('"'));
    let claim = Claim {
        player: id(9),
        token: &token,
        certificate: None,
        room_id: room.id(),
        member: member(9),
        next_token: ReconnectToken::in_slot(7, [8; 16]),
        abilities: everything(),
        app: None,
        app_seat_limit: None,
    };
    room.redeem(claim, |_| true, NOW_MS).expect("the token is right");
    room.leave(connection(2), NOW_MS);
    seat(&mut room, 2, 1, everything());
    room.replace_host(id(2), plan_id(3));
    assert_eq!(shape(&room), hosted_by(9));
    room.leave(connection(9), NOW_MS);
    room.replace_host(id(9), plan_id(4));
    assert_eq!(shape(&room), hosted_by(6));
}

#[test]
fn peers_of_a_mesh_are_all_others_and_of_a_host_session_the_other_side() {
    let mut room = started(&[2, 1, 3], everything(), ALL);
    room.claim_authority(id(2), NOW_MS).expect("nobody holds it");
    assert_eq!(peers(&room, 1), [(2, true, true), (3, false, true)]);
    assert_eq!(peers(&room, 2), [(1, false, false), (3, false, true)]);
    assert_eq!(peers(&room, 3), [(1, false, false), (2, true, false)]);

    let rules = SessionRules {
        ceiling: Topology::Host,
        ..ALL
    };
    let room = started(&[2, 1, 3], everything(), rules);
    assert_eq!(peers(&room, 2), [(1, false, false), (3, false, false)]);
    assert_eq!(peers(&room, 1), [(2, true, true)]);
    assert_eq!(peers(&room, 3), [(2, true, true)]);

    let room = started(&[2, 1], Abilities::RELAY_ONLY, rules);
    assert!(peers(&room, 1).is_empty() && peers(&room, 2).is_empty());
}

#[test]
fn a_session_takes_only_who_can_take_part_and_the_relay_everybody() {
    let mesh_only = Abilities::of(&[Transport::WebRtc], &[Topology::Mesh]);
    let mut room = started(&[1, 2], everything(), ALL);
    assert_eq!(
        try_seat(&mut room, 3, 9, Abilities::RELAY_ONLY),
        Err(super::super::JoinRefusal::Session)
    );
    assert_eq!(try_seat(&mut room, 3, 9, mesh_only), Ok(()));
    assert!(room.plan_anew(plan_id(2)));
    assert_eq!((shape(&room), plan(&room, 1).generation), (MESH, plan_id(2)));
    assert_eq!(peers(&room, 3), [(1, false, false), (2, false, false)]);

    let mut room = started(&[1, 2], Abilities::RELAY_ONLY, ALL);
    assert_eq!(try_seat(&mut room, 3, 9, everything()), Ok(()));
    assert!(room.plan_anew(plan_id(2)));
    assert_eq!(shape(&room), RELAY, "what was chosen is kept");
    let mut unstarted = self::room();
    assert!(!unstarted.plan_anew(plan_id(2)) && !unstarted.replace_host(id(1), plan_id(2)));
}

#[test]
fn who_comes_back_able_to_less_is_nobodys_peer() {
    let mut room = started(&[1, 2, 3], everything(), ALL);
    room.leave(connection(3), NOW_MS);
    assert!(!room.replace_host(id(3), plan_id(2)), "a mesh has no host");
    // As `redeem` does, which asks nobody whether the new connection fits.
    room.leave(connection(2), NOW_MS);
    room.peer_session = None;
    seat(&mut room, 2, 1, Abilities::RELAY_ONLY);
    room.peer_session = Some(PeerSession {
        generation: plan_id(3),
        path: Path::Mesh,
    });
    let seat = room.roster().seat_of(id(2)).expect("seated");
    let briefing = room.briefing(seat).expect("started");
    assert!(!briefing.takes_part && briefing.plan.peers.is_empty());
    assert_eq!(briefing.plan.topology, Topology::Mesh);
    assert!(peers(&room, 1).is_empty(), "the only other is no peer");
}

#[test]
fn a_host_that_leaves_is_replaced_until_nobody_can_be() {
    let rules = SessionRules {
        ceiling: Topology::Host,
        ..ALL
    };
    let mut room = started(&[3, 2, 1], everything(), rules);
    room.leave(connection(2), NOW_MS);
    assert!(!room.replace_host(id(2), plan_id(2)), "somebody else hosts");
    room.leave(connection(3), NOW_MS);
    assert!(room.replace_host(id(3), plan_id(2)));
    assert_eq!(shape(&room), hosted_by(1));
    assert!(
        room.is_coherent() && peers(&room, 1).is_empty(),
        "the last one hosts itself"
    );
    room.leave(connection(1), NOW_MS);
    assert!(!room.is_coherent(), "until the next call");
    assert!(room.replace_host(id(1), plan_id(3)));
    assert_eq!(shape(&room), RELAY);
    seat(&mut room, 4, 9, everything());
    room.plan_anew(plan_id(4));
    assert_eq!(shape(&room), RELAY, "and stays relayed");
}

#[test]
fn a_direct_host_may_move_but_not_vanish() {
    let mut room = room();
    for number in [1, 2, 3] {
        seat(&mut room, number, u64::from(number), direct_only());
    }
    reach(&mut room, 1, "203.0.113.7", 7777);
    room.begin_peer_session(ALL, plan_id(1));
    assert!(!room.follow_endpoint(connection(1), plan_id(2)), "the same endpoint");
    reach(&mut room, 2, "eve.example", 9);
    assert!(!room.follow_endpoint(connection(2), plan_id(2)), "not the host's");
    reach(&mut room, 1, "203.0.113.8", 7777);
    assert!(room.follow_endpoint(connection(1), plan_id(2)));
    let moved = plan(&room, 3);
    assert_eq!(moved.direct_endpoint.map(|at| &*at.host), Some("203.0.113.8"));
    assert_eq!(moved.generation, plan_id(2));
    reach(&mut room, 1, "203.0.113.8", 0);
    assert!(room.follow_endpoint(connection(1), plan_id(3)));
    assert_eq!(shape(&room), reached_at(2), "the next who can be reached");
    reach(&mut room, 2, "::", 9);
    assert!(room.follow_endpoint(connection(2), plan_id(4)));
    assert_eq!(shape(&room), RELAY);
    reach(&mut room, 2, "eve.example", 9);
    assert!(
        !room.follow_endpoint(connection(2), plan_id(5)),
        "the relay has no host"
    );
}

proptest! {
    #[test]
    fn of_every_pair_in_a_mesh_exactly_one_calls(ids in proptest::collection::hash_set(any::<u8>(), 1..20)) {
        let ids: Vec<u8> = ids.into_iter().collect();
        let room = started(&ids, everything(), ALL);
        let calls = |from: u8, to: u8| {
            let peers = peers(&room, from);
            assert_eq!(peers.len(), ids.len() - 1);
            peers.iter().find(|peer| peer.0 == to).map(|peer| peer.2)
        };
        for &one in &ids {
            prop_assert_eq!(calls(one, one), None);
            for &other in ids.iter().filter(|other| **other != one) {
                prop_assert_eq!(calls(one, other), calls(other, one).map(|calls| !calls));
            }
        }
    }

    #[test]
    fn whatever_happens_plans_name_only_who_sits_there_and_generations_are_new(
        ceiling in prop::sample::select(Topology::ALL),
        able in proptest::collection::vec(any::<(bool, bool)>(), 1..6),
        deeds in proptest::collection::vec((0_u8..4, 0_u8..8), 0..40),
    ) {
        let mut room = room();
        let abilities = |(webrtc, direct): (bool, bool)| {
            let transports = [(webrtc, Transport::WebRtc), (direct, Transport::Direct)];
            let named: Vec<_> = transports.into_iter().filter(|(can, _)| *can).map(|(_, transport)| transport).collect();
            Abilities::of(&named, Topology::ALL)
        };
        for (number, can) in able.iter().enumerate() {
            seat(&mut room, number as u8, number as u64, abilities(*can));
            reach(&mut room, number as u8, "203.0.113.7", number as u16 % 2);
        }
        room.begin_peer_session(SessionRules { ceiling, ..ALL }, plan_id(0));
        let chosen = shape(&room).0;
        for (round, (deed, number)) in deeds.into_iter().enumerate() {
            let next = PlanId::from_bytes([round as u8 + 1; 16]);
            let before = room.clone_session();
            let changed = match deed {
                0 => try_seat(&mut room, number, 100 + round as u64, abilities((true, number % 2 == 0))).is_ok()
                    && room.plan_anew(next),
                1 => {
                    room.leave(connection(number), NOW_MS);
                    room.replace_host(id(number), next)
                }
                2 => {
                    reach(&mut room, number, "203.0.113.7", round as u16 % 3);
                    room.follow_endpoint(connection(number), next)
                }
                _ => {
                    room.claim_authority(id(number), NOW_MS).ok();
                    false
                }
            };
            prop_assert!(room.is_coherent());
            let session = room.clone_session();
            prop_assert_eq!(changed, session.generation == next);
            prop_assert!(changed || session == before);
            prop_assert!(session.topology() == chosen || session.topology() == Topology::Relay);
            for seat in room.roster().seats() {
                let plan = room.briefing(seat).expect("started").plan;
                let seated = |player| room.roster().seat_of(player).is_some();
                prop_assert!(plan.peers.iter().all(|peer| peer.player_id != seat.player() && seated(peer.player_id)));
                prop_assert!(plan.host.is_none_or(seated));
                prop_assert_eq!(plan.host.is_some(), plan.topology == Topology::Host);
                prop_assert_eq!(plan.direct_endpoint.is_some(), plan.transport == Transport::Direct);
            }
        }
    }
}

impl Room {
    fn clone_session(&self) -> PeerSession {
        self.peer_session.clone().expect("started")
    }
}
