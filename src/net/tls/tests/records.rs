//! Records after the handshake: what our end seals the library opens, and the other way round, in every cipher.

use rkyv::rancor;
use rustls::SupportedCipherSuite;
use rustls::crypto::ring::ALL_CIPHER_SUITES;

use super::super::{Fault, FrozenRecords, Records};
use super::{Authority, Client, ClientSetup, V1_2, V1_3, secured, terms};

/// The two ends of a connection in one cipher.
pub(super) fn pair(suite: Option<SupportedCipherSuite>) -> (Client, Box<Records>) {
    let authority = Authority::new();
    let config = ClientSetup {
        suite,
        versions: match suite {
            Some(SupportedCipherSuite::Tls12(_)) => &V1_2,
            _ => &V1_3,
        },
        ..ClientSetup::default()
    };
    let terms = terms(&authority, None);
    let mut client = Client::new(&config.config(&authority).into());
    let secured = secured(&terms, &mut client);
    assert!(secured.early.is_empty());
    (client, secured.records)
}

/// Those that work with a key on a curve.
pub(super) fn suites() -> Vec<SupportedCipherSuite> {
    let all = ALL_CIPHER_SUITES.iter().copied();
    all.filter(|suite| {
        !format!("{:?}", suite.suite()).contains("RSA_WITH") || format!("{:?}", suite.suite()).contains("ECDSA")
    })
    .filter(|suite| !format!("{:?}", suite.suite()).contains("ECDHE_RSA"))
    .collect()
}

fn open(records: &mut Records, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
    let carried = records.carried();
    let mut buffer = vec![0; carried];
    buffer.extend_from_slice(sealed);
    records.uncarry(&mut buffer);
    let opened = records.open(&mut buffer)?;
    buffer.truncate(opened);
    Ok(buffer)
}

fn seal(records: &mut Records, mut plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !plain.is_empty() {
        let count = records.seal(plain, &mut out).expect("keys are good");
        plain = &plain[count..];
    }
    out
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

const SIZES: [usize; 9] = [1, 2, 100, 1_000, 16_383, 16_384, 16_385, 40_000, 3];

#[test]
fn both_ends_understand_each_other_in_every_cipher() {
    let suites = suites();
    assert_eq!(suites.len(), 6, "three of each version");
    for suite in suites {
        let (mut client, mut records) = pair(Some(suite));
        for bytes in SIZES {
            let plain = pattern(bytes);
            assert_eq!(open(&mut records, &client.seal(&plain)), Ok(plain.clone()), "{suite:?}");
            client.opened.clear();
            client.take(&seal(&mut records, &plain)).expect("opened");
            assert!(client.opened == plain, "{suite:?}, {bytes} bytes");
        }
        let end = client.end();
        assert_eq!(open(&mut records, &end), Ok(Vec::new()));
        assert!(records.is_over());
        let mut out = Vec::new();
        records.seal_end(&mut out);
        client.take(&out).expect("opened");
        assert!(client.saw_end);
    }
}

#[test]
fn bytes_may_come_in_any_pieces_and_two_archives_may_lie_between_any_two() {
    let (mut client, records) = pair(None);
    let mut sealed = Vec::new();
    let mut plain = Vec::new();
    for bytes in [5, 1, 300] {
        sealed.extend(client.seal(&pattern(bytes)));
        plain.extend(pattern(bytes));
    }
    let archive = |records: Records| {
        let bytes = rkyv::to_bytes::<rancor::Error>(&records.freeze()).expect("archived");
        let frozen = rkyv::from_bytes::<FrozenRecords, rancor::Error>(&bytes).expect("read back");
        Records::thaw(frozen)
    };
    let mut records = *records;
    let mut opened = Vec::new();
    for piece in sealed.chunks(1) {
        opened.extend(open(&mut records, piece).expect("authentic"));
        assert!(records.kept_bytes() <= sealed.len());
        records = archive(records);
        // What was sealed and not sent is archived, too.
        let answer = seal(&mut records, piece);
        records.keep(&answer);
        records = archive(records);
        let tail = std::mem::take(records.tail_mut());
        assert_eq!(tail, answer);
        client.opened.clear();
        client.take(&tail).expect("opened");
        assert_eq!(client.opened, piece);
    }
    assert_eq!(opened, plain);
    assert_eq!(records.kept_bytes(), 0, "nothing is held between records");
}

/// What becomes of two records on their way.
type Way<'a> = &'a dyn Fn(Vec<u8>, Vec<u8>) -> Vec<u8>;

#[test]
fn what_was_changed_left_out_or_sent_twice_is_refused() {
    for suite in suites() {
        let damaged = |change: Way<'_>| {
            let (mut client, mut records) = pair(Some(suite));
            let (first, second) = (client.seal(b"first"), client.seal(b"second"));
            open(&mut records, &change(first, second))
        };
        let ways: [(&str, Way<'_>); 4] = [
            ("twice", &|first, _| [first.clone(), first].concat()),
            ("left out", &|_, second| second),
            ("in another order", &|first, second| [second, first].concat()),
            ("cut", &|mut first, second| {
                first.truncate(first.len() - 1);
                first[4] -= 1;
                [first, second].concat()
            }),
        ];
        for (name, way) in ways {
            assert_eq!(damaged(way), Err(Fault::NotAuthentic), "{name}, {suite:?}");
        }
        let (mut client, _) = pair(Some(suite));
        for at in 0..client.seal(b"first").len() {
            let changed = damaged(&|mut first, _| {
                first[at] ^= 0x10;
                first
            });
            // A record that says that it is longer is waited for.
            assert!(
                !matches!(changed, Ok(ref opened) if !opened.is_empty()),
                "byte {at}, {suite:?}: {changed:?}"
            );
        }
    }
}

#[test]
fn what_must_not_come_after_the_handshake_is_refused() {
    let (_, mut records) = pair(None);
    for (bytes, fault) in [
        (&[20, 3, 3, 0, 1, 1][..], Fault::Unexpected),
        (&[22, 3, 3, 0, 4, 1, 0, 0, 0], Fault::Unexpected),
        (&[23, 3, 3, 0x48, 1], Fault::TooLong),
        (&[23, 2, 0, 0, 1, 1], Fault::Unexpected),
        (b"GET / HTTP/1.1\r\n\r\n", Fault::Unexpected),
        (&[23, 3, 3, 0, 0], Fault::NotAuthentic),
        (&[23, 3, 3, 0, 3, 1, 2, 3], Fault::NotAuthentic),
    ] {
        assert_eq!(open(&mut records, bytes), Err(fault), "{bytes:?}");
    }
}

#[test]
fn keys_are_renewed_when_the_peer_asks_and_at_most_so_often_at_once() {
    let (mut client, mut records) = pair(None);
    for round in 0..20u8 {
        let renewal = client.renew_keys();
        assert_eq!(open(&mut records, &renewal), Ok(Vec::new()), "round {round}");
        assert_eq!(open(&mut records, &client.seal(&[round])), Ok(vec![round]));
        client.opened.clear();
        client
            .take(&seal(&mut records, b"with new keys"))
            .expect("it knows of them");
        assert_eq!(client.opened, b"with new keys");
    }
    let flood = (0..9).map(|_| open(&mut records, &client.renew_keys()));
    let faults: Vec<_> = flood.filter_map(Result::err).collect();
    assert_eq!(faults, [Fault::NotRenewable]);
}

#[test]
fn a_renewal_ends_a_connection_that_was_taken_over_and_no_other() {
    let (mut client, records) = pair(None);
    let mut records = Records::thaw(records.freeze());
    assert_eq!(open(&mut records, &client.seal(b"x")), Ok(b"x".to_vec()));
    assert_eq!(open(&mut records, &client.renew_keys()), Err(Fault::NotRenewable));
}

#[test]
fn nothing_secret_is_shown() {
    let (_, records) = pair(None);
    let shown = format!("{records:?}");
    assert!(shown.contains("carry_bytes: 0") && shown.len() < 400, "{shown}");
}
