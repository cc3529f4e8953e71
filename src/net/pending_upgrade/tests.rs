use std::rc::{Rc, Weak};

use super::*;

const LIMITS: UpgradeLimits = UpgradeLimits {
    timeout_ms: 10_000,
    sockets: 8,
    sources: SourceRule::DEFAULT,
    farewells: 2,
};

/// A socket whose end can be seen.
type Socket = Rc<()>;

fn address(number: u8) -> ClientAddress {
    ClientAddress::own([192, 0, 2, number].into())
}

struct Desk {
    pending_upgrades: PendingUpgrades<Socket>,
    now_ms: u64,
}

impl Desk {
    fn new() -> Self {
        Self {
            pending_upgrades: PendingUpgrades::new(LIMITS),
            now_ms: 0,
        }
    }

    fn comes(&mut self, from: u8) -> (UpgradeKey, Weak<()>) {
        let socket = Socket::default();
        let seen = Rc::downgrade(&socket);
        self.now_ms += 1;
        (
            self.pending_upgrades
                .insert(Channel::plain(socket), address(from), self.now_ms),
            seen,
        )
    }
}

fn is_open(socket: &Weak<()>) -> bool {
    socket.upgrade().is_some()
}

#[test]
fn a_source_has_half_of_the_places_and_then_makes_way_for_itself() {
    let mut desk = Desk::new();
    let others = [desk.comes(2), desk.comes(3)];
    let flood: Vec<_> = (0..20).map(|_| desk.comes(1)).collect();
    let open = flood.iter().filter(|(_, socket)| is_open(socket)).count();
    assert_eq!((open, desk.pending_upgrades.displaced()), (4, 16));
    assert!(
        flood[16..].iter().chain(&others).all(|(_, socket)| is_open(socket)),
        "the oldest went first"
    );
}

#[test]
fn a_newcomer_takes_the_place_of_the_oldest_of_the_heaviest() {
    let mut desk = Desk::new();
    let one: Vec<_> = (0..3).map(|_| desk.comes(1)).collect();
    let other: Vec<_> = (0..4).map(|_| desk.comes(2)).collect();
    let quiet = desk.comes(3);
    // What was answered and stays open counts as well.
    desk.pending_upgrades.note_answered(other[0].0, desk.now_ms);
    let newcomer = desk.comes(4);
    assert!(!is_open(&other[0].1) && is_open(&one[0].1));
    let second = desk.comes(5);
    assert!(
        !is_open(&one[0].1),
        "both have three, and this one's oldest has waited longer"
    );
    let third = desk.comes(6);
    assert!(!is_open(&other[1].1));
    assert!(
        [quiet, newcomer, second, third]
            .iter()
            .all(|(_, socket)| is_open(socket))
    );
}

#[test]
fn who_left_by_itself_makes_way_for_nobody_twice() {
    let mut desk = Desk::new();
    let flood: Vec<_> = (0..4).map(|_| desk.comes(1)).collect();
    assert!(desk.pending_upgrades.remove(flood[0].0).is_some() && desk.pending_upgrades.remove(flood[0].0).is_none());
    desk.comes(1);
    assert_eq!(desk.pending_upgrades.displaced(), 0);
    assert!((0..4).all(|_| desk.pending_upgrades.give_up_one()) && !desk.pending_upgrades.give_up_one());
    assert!(desk.pending_upgrades.deadlines.is_empty());
}

#[test]
fn silence_is_ended_when_its_time_is_over_and_an_answered_socket_sooner() {
    let mut desk = Desk::new();
    let (silent, answered, late) = (desk.comes(1), desk.comes(2), desk.comes(3));
    desk.pending_upgrades.note_answered(answered.0, 1_000);
    assert_eq!(desk.pending_upgrades.expire(1_000 + ANSWERED_MS - 1), 0);
    assert_eq!(desk.pending_upgrades.expire(1_000 + ANSWERED_MS), 1);
    assert!(!is_open(&answered.1) && is_open(&silent.1));
    desk.pending_upgrades.note_answered(late.0, 9_999);
    assert_eq!(desk.pending_upgrades.expire(10_000), 0);
    assert_eq!(
        desk.pending_upgrades.expire(10_003),
        2,
        "an answer makes nothing last longer"
    );
    assert!(!is_open(&silent.1) && !is_open(&late.1));
}

#[test]
fn many_are_ended_a_few_at_a_time() {
    let limits = UpgradeLimits {
        sockets: 1_000,
        ..LIMITS
    };
    let mut pending_upgrades = PendingUpgrades::new(limits);
    for number in 0..200u8 {
        pending_upgrades.insert(Channel::plain(Socket::default()), address(number), 0);
    }
    assert_eq!(
        (pending_upgrades.expire(9_999), pending_upgrades.expire(10_000)),
        (0, EXPIRED_PER_TICK)
    );
    pending_upgrades.end(5_000);
    assert_eq!(pending_upgrades.expire(4_999), 0);
    let rest: Vec<_> = (0..4).map(|_| pending_upgrades.expire(5_000)).collect();
    assert_eq!(
        rest,
        [EXPIRED_PER_TICK, EXPIRED_PER_TICK, 200 - 3 * EXPIRED_PER_TICK, 0]
    );
}

#[test]
fn a_turn_reads_so_many() {
    let mut pending_upgrades = PendingUpgrades::<Socket>::new(LIMITS);
    for _ in 0..2 {
        pending_upgrades.begin_turn();
        let served = (0..200).filter(|_| pending_upgrades.may_serve()).count();
        assert_eq!(served, SERVED_PER_TURN);
    }
}

#[test]
fn time_in_which_the_process_stood_still_does_not_count() {
    let mut desk = Desk::new();
    let (one, other) = (desk.comes(1), desk.comes(2));
    desk.pending_upgrades.forgive(5_000);
    desk.pending_upgrades.note_answered(other.0, 0);
    assert_eq!(desk.pending_upgrades.expire(ANSWERED_MS), 1);
    assert_eq!(desk.pending_upgrades.expire(15_000), 0);
    assert!(is_open(&one.1));
    assert_eq!(desk.pending_upgrades.expire(15_001), 1);
}

#[test]
fn only_so_many_are_upgraded_to_be_told_that_there_is_no_place() {
    let mut pending_upgrades = PendingUpgrades::<Socket>::new(LIMITS);
    let connection = |index| ConnectionKey { index, generation: 0 };
    for index in 0..2 {
        assert!(pending_upgrades.may_say_farewell(|_| true));
        pending_upgrades.note_farewell(connection(index));
    }
    assert!(!pending_upgrades.may_say_farewell(|_| true));
    assert!(
        pending_upgrades.may_say_farewell(|at| at == connection(1)),
        "one has ended"
    );
    pending_upgrades.note_farewell(connection(2));
    assert!(!pending_upgrades.may_say_farewell(|_| true));
}

#[test]
fn who_was_not_heard_yet_is_heard_before_its_time_is_over() {
    let mut desk = Desk::new();
    let ((waits, in_line), (_, silent)) = (desk.comes(1), desk.comes(2));
    desk.pending_upgrades.get_mut(waits).expect("it is there").is_in_line = true;
    assert_eq!(desk.pending_upgrades.expire(20_000), 1);
    assert!(is_open(&in_line) && !is_open(&silent));
    desk.pending_upgrades.get_mut(waits).expect("it is there").is_in_line = false;
    assert_eq!(desk.pending_upgrades.expire(20_000 + UNHEARD_MS - 1), 0);
    assert_eq!(desk.pending_upgrades.expire(20_000 + UNHEARD_MS), 1);
    assert!(!is_open(&in_line));
}

#[test]
fn who_is_behind_a_proxy_is_counted_once_it_is_named_and_the_proxy_never() {
    let mut desk = Desk::new();
    let proxy = ClientAddress::shared([10, 0, 0, 1].into());
    let comes = |desk: &mut Desk, client: Option<u8>| {
        let socket = Socket::default();
        let seen = Rc::downgrade(&socket);
        let at = desk.pending_upgrades.insert(Channel::plain(socket), proxy, desk.now_ms);
        if let Some(client) = client {
            desk.pending_upgrades.introduce(at, address(client));
        }
        seen
    };
    let unnamed: Vec<_> = (0..5).map(|_| comes(&mut desk, None)).collect();
    assert!(unnamed.iter().all(is_open), "more than a share");
    let flood: Vec<_> = (0..3).map(|_| comes(&mut desk, Some(1))).collect();
    assert!(unnamed.iter().chain(&flood).all(is_open), "eight places");
    // All are taken: the proxy has most, then the client that has named itself most often.
    let more: Vec<_> = (0..2).map(|_| comes(&mut desk, Some(1))).collect();
    assert_eq!(unnamed.iter().filter(|socket| is_open(socket)).count(), 3);
    assert!(
        !is_open(&flood[0]) && flood[1..].iter().chain(&more).all(is_open),
        "its share is four"
    );
    let others = [desk.comes(2), desk.comes(3)];
    assert!(!is_open(&flood[1]) && is_open(&flood[2]) && others.iter().all(|(_, socket)| is_open(socket)));
    assert_eq!(desk.pending_upgrades.len(), 8);
}

#[test]
fn a_socket_that_is_named_makes_no_way_for_itself() {
    let mut desk = Desk::new();
    let proxy = ClientAddress::shared([10, 0, 0, 1].into());
    let socket = Socket::default();
    let seen = Rc::downgrade(&socket);
    let oldest = desk.pending_upgrades.insert(Channel::plain(socket), proxy, 0);
    let crowd: Vec<_> = (0..4).map(|_| desk.comes(1)).collect();
    desk.pending_upgrades.introduce(oldest, address(1));
    assert!(is_open(&seen) && !is_open(&crowd[0].1));
    assert!(desk.pending_upgrades.remove(oldest).is_some() && desk.pending_upgrades.remove(crowd[1].0).is_some());
    desk.comes(1);
    assert_eq!(
        desk.pending_upgrades.displaced(),
        1,
        "it was counted for the client and given back"
    );
}
