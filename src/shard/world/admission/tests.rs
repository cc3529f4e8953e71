use std::net::IpAddr;

use super::handshakes::WINDOW_MS;
use super::*;

const NEAR: [u8; 4] = [127, 0, 0, 1];
const FAR: [u8; 4] = [192, 0, 2, 7];
const FARTHER: [u8; 4] = [192, 0, 2, 8];

fn client(address: impl Into<IpAddr>) -> ClientAddress {
    ClientAddress::own(address.into())
}

fn ledger() -> Arc<AdmissionLedger> {
    AdmissionLedger::new(AdmissionLimits {
        connections: 4,
        connections_per_address: 2,
        sources: SourceRule::DEFAULT,
        failed_joins: None,
        failed_joins_window_ms: 60_000,
        rooms: 3,
        rooms_per_game: 2,
    })
}

#[test]
fn an_address_gets_its_share_and_gets_it_back() {
    let ledger = ledger();
    let first = ledger.admit_connection(client(FAR)).expect("first");
    let _second = ledger.admit_connection(client(FAR)).expect("second");
    assert_eq!(
        ledger.admit_connection(client(FAR)).err(),
        Some(ConnectionRefused::PerAddress { limit: 2 })
    );
    let mapped = std::net::Ipv4Addr::from(FAR).to_ipv6_mapped();
    assert!(
        ledger.admit_connection(client(mapped)).is_err(),
        "a mapped address is the same peer"
    );
    drop(first);
    let _third = ledger.admit_connection(client(FAR)).expect("a place came free");
}

#[test]
fn loopback_is_free_of_the_share_but_not_of_the_total() {
    let ledger = ledger();
    let permits: Vec<_> = (0..4)
        .map(|_| ledger.admit_connection(client(NEAR)).expect("below the total"))
        .collect();
    assert_eq!(
        ledger.admit_connection(client(NEAR)).err(),
        Some(ConnectionRefused::Total { limit: 4 })
    );
    drop(permits);
    assert_eq!(
        ledger.admitted(),
        Admitted {
            connections: 0,
            rooms: 0
        }
    );
}

#[test]
fn nobody_is_kept_out_for_others_behind_its_proxy() {
    let ledger = ledger();
    let proxy = ClientAddress::shared(FAR.into());
    let permits: Vec<_> = (0..4).map(|_| ledger.admit_connection(proxy)).collect();
    assert!(permits.iter().all(Result::is_ok));
    assert_eq!(
        ledger.admit_connection(proxy).err(),
        Some(ConnectionRefused::Total { limit: 4 })
    );
    let app = AppId::new("studio");
    assert!((0..4).all(|now_ms| ledger.admit_handshake(&app, proxy, 4, now_ms)));
    drop(permits);
    let restored: Vec<_> = (0..5).map(|_| ledger.restore_connection(proxy)).collect();
    drop(restored);
    assert!(
        ledger.admit_connection(client(FAR)).is_ok(),
        "nothing was counted there"
    );
}

#[test]
fn who_leaves_its_source_counts_in_all_and_gives_nothing_back_twice() {
    let ledger = ledger();
    let mut permits: Vec<_> = (0..2)
        .filter_map(|_| ledger.admit_connection(client(FAR)).ok())
        .collect();
    permits[0].leave_source();
    permits[0].leave_source();
    permits.extend(ledger.admit_connection(client(FAR)));
    assert_eq!((permits.len(), ledger.admitted().connections), (3, 3));
    assert!(ledger.admit_connection(client(FAR)).is_err(), "two are counted still");
    drop(permits.remove(0));
    assert!(
        ledger.admit_connection(client(FAR)).is_err(),
        "it had given its place back"
    );
    drop(permits);
    assert_eq!(ledger.admitted().connections, 0);
}

#[test]
fn rooms_are_counted_by_app_by_game_and_in_all() {
    let ledger = ledger();
    let app = AppId::new("studio");
    let _a = ledger.admit_room("chess", Some((&app, Some(1)))).expect("first");
    assert_eq!(
        ledger.admit_room("go", Some((&app, Some(1)))).err(),
        Some(RoomRefused::PerApp { limit: 1 }),
        "the application's own limit"
    );
    let b = ledger.admit_room("chess", None).expect("second of this game");
    assert_eq!(
        ledger.admit_room("chess", None).err(),
        Some(RoomRefused::PerGame { limit: 2 })
    );
    let _c = ledger.admit_room("go", None).expect("third in all");
    assert_eq!(
        ledger.admit_room("shogi", None).err(),
        Some(RoomRefused::Total { limit: 3 })
    );
    drop(b);
    assert!(ledger.admit_room("chess", None).is_ok());
}

#[test]
fn one_address_may_use_half_of_an_applications_rate() {
    let ledger = ledger();
    let app = AppId::new("studio");
    let try_at = |address: [u8; 4], now_ms| ledger.admit_handshake(&app, client(address), 3, now_ms);
    assert!(try_at(FAR, 0));
    assert!(!try_at(FAR, 1), "half of three is one");
    assert!(try_at(FARTHER, 2) && try_at(NEAR, 3));
    assert!(!try_at([10, 0, 0, 1], 4), "the application's rate is used up");
    assert!(try_at(FAR, WINDOW_MS), "the first one has left the window");
}

#[test]
fn loopback_is_free_of_the_share_of_a_rate_but_not_of_the_rate() {
    let (app, mapped) = (
        AppId::new("studio"),
        client(std::net::Ipv4Addr::from(NEAR).to_ipv6_mapped()),
    );
    let ledger = ledger();
    for now_ms in 0..4 {
        let from = [client(NEAR), mapped][now_ms as usize % 2];
        assert!(ledger.admit_handshake(&app, from, 4, now_ms));
    }
    assert!(!ledger.admit_handshake(&app, client(NEAR), 4, 5) && !ledger.admit_handshake(&app, client(FAR), 4, 6));
    let strict = AdmissionLedger::new(AdmissionLimits {
        sources: SourceRule {
            ipv6_prefix_bits: 64,
            exempt_loopback: false,
        },
        ..ledger.limits.clone()
    });
    assert!(strict.admit_handshake(&app, client(NEAR), 2, 0) && !strict.admit_handshake(&app, client(NEAR), 2, 1));
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let from = |host: u128| client(std::net::Ipv6Addr::from_bits((0x2001_0db8_0001_0002 << 64) | host));
    let next_network = from(1 << 64);
    let ledger = ledger();
    let (_first, second) = (ledger.admit_connection(from(1)), ledger.admit_connection(from(2)));
    assert!(second.is_ok() && ledger.admit_connection(from(u128::from(u64::MAX))).is_err());
    assert!(ledger.admit_connection(next_network).is_ok());
    drop(second);
    assert!(ledger.admit_connection(from(3)).is_ok(), "given back to the network");

    let app = AppId::new("studio");
    assert!(ledger.admit_handshake(&app, from(1), 4, 0) && ledger.admit_handshake(&app, from(2), 4, 1));
    assert!(
        !ledger.admit_handshake(&app, from(3), 4, 2),
        "half of the rate is used up"
    );
    assert!(ledger.admit_handshake(&app, next_network, 4, 3));
}

#[test]
fn what_was_admitted_is_restored_beyond_every_limit_and_given_back() {
    let ledger = ledger();
    let app = AppId::new("studio");
    let connections: Vec<_> = (0..6).map(|_| ledger.restore_connection(client(FAR))).collect();
    let rooms: Vec<_> = (0..5)
        .map(|_| ledger.restore_room("chess", Some(app.clone())))
        .collect();
    assert_eq!(
        ledger.admitted(),
        Admitted {
            connections: 6,
            rooms: 5
        }
    );
    assert!(ledger.admit_connection(client(FARTHER)).is_err() && ledger.admit_room("go", None).is_err());
    drop((connections, rooms));
    let _one = ledger.admit_connection(client(FAR)).expect("all places came free");
    assert!(ledger.admit_room("chess", Some((&app, Some(1)))).is_ok());
}

#[test]
fn handshakes_count_on_after_a_change_of_clocks() {
    let (old, new) = (ledger(), ledger());
    let app = AppId::new("studio");
    assert!(old.admit_handshake(&app, client(FAR), 2, 500_000));
    let start_ms = crate::clock::ARCHIVE_MS;
    new.thaw_handshakes(old.freeze_handshakes(510_000), start_ms);
    assert!(
        !new.admit_handshake(&app, client(FAR), 2, start_ms + 49_999),
        "ten seconds had passed"
    );
    assert!(new.admit_handshake(&app, client(FAR), 2, start_ms + 50_000));
}

#[test]
fn no_limit_is_passed_and_nothing_stays_counted_however_many_shards_admit_at_once() {
    let ledger = AdmissionLedger::new(AdmissionLimits {
        connections: 5,
        connections_per_address: 2,
        sources: SourceRule::DEFAULT,
        failed_joins: None,
        failed_joins_window_ms: 60_000,
        rooms: 5,
        rooms_per_game: 2,
    });
    std::thread::scope(|scope| {
        for number in 0..4u8 {
            let ledger = &ledger;
            scope.spawn(move || {
                let (app, game) = (AppId::new("studio"), ["chess", "go"][usize::from(number % 2)]);
                let from = client([192, 0, 2, number % 2]);
                for _ in 0..20_000 {
                    let connections: Vec<_> = (0..3).filter_map(|_| ledger.admit_connection(from).ok()).collect();
                    let rooms: Vec<_> = (0..3)
                        .filter_map(|_| ledger.admit_room(game, Some((&app, Some(3)))).ok())
                        .collect();
                    assert!(connections.len() <= 2 && rooms.len() <= 2);
                    let admitted = ledger.admitted();
                    assert!(admitted.connections <= 4 && admitted.rooms <= 3, "{admitted:?}");
                }
            });
        }
    });
    let nobody = Admitted {
        connections: 0,
        rooms: 0,
    };
    assert_eq!(ledger.admitted(), nobody);
    assert!(ledger.take_peak_connections().0 <= 4);
}
