//! Handshakes: in any pieces, with and without certificates of clients, resumed, and with whoever speaks something else.

use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, ClientConfig, Error};

use super::super::{Certificate, ClientRule, Handshake, Progress, Refusal, Terms, tickets};
use super::{Authority, Client, ClientSetup, Ended, NAME, V1_2, V1_3, certificate, secured, shake_hands, terms};
use crate::protocol::CertificateFingerprint;

fn rule(authority: &Authority, is_required: bool) -> ClientRule {
    ClientRule {
        authorities: vec![authority.certificate()],
        is_required,
    }
}

#[test]
fn a_handshake_may_come_in_any_pieces() {
    let authority = Authority::new();
    let terms = terms(&authority, None);
    for versions in [&V1_2, &V1_3] {
        for piece_bytes in [1, 2, 3, 7, 100, 1_000] {
            let setup = ClientSetup {
                versions,
                ..ClientSetup::default()
            };
            let mut client = Client::new(&setup.config(&authority).into());
            let (ended, said) = shake_hands(&terms, &mut client, piece_bytes);
            assert!(matches!(ended, Ended::Done(_)) && said.is_ok(), "{ended:?}");
            assert_eq!(client.tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
    }
}

#[test]
fn what_comes_with_the_last_words_is_opened_and_what_is_cut_is_kept() {
    let authority = Authority::new();
    let terms = terms(&authority, None);
    let config: Arc<ClientConfig> = ClientSetup::default().config(&authority).into();
    for cut in 0..40 {
        let mut client = Client::new(&config);
        let mut out = Vec::new();
        let first = std::mem::take(&mut client.outgoing);
        let Progress::Goes(handshake) = Handshake::new(&terms).expect("randomness").read(&first, &mut out) else {
            panic!("it is not over");
        };
        client.take(&out).expect("our flight");
        let mut words = std::mem::take(&mut client.outgoing);
        let finished_bytes = words.len();
        words.extend(client.seal(b"GET / HTTP/1.1\r\n\r\n"));
        let at = finished_bytes + cut.min(words.len() - finished_bytes);
        let Progress::Done(secured) = handshake.read(&words[..at], &mut Vec::new()) else {
            panic!("it is over");
        };
        let mut records = secured.records;
        let mut rest = vec![0; records.carried()];
        rest.extend_from_slice(&words[at..]);
        records.uncarry(&mut rest);
        let opened = records.open(&mut rest).expect("authentic");
        let heard = [&secured.early[..], &rest[..opened]].concat();
        assert_eq!(heard, b"GET / HTTP/1.1\r\n\r\n", "cut at {cut}");
    }
}

#[test]
fn who_speaks_something_else_is_told_so() {
    let authority = Authority::new();
    let terms = terms(&authority, None);
    let says = |bytes: &[u8]| {
        let mut out = Vec::new();
        match Handshake::new(&terms).expect("randomness").read(bytes, &mut out) {
            Progress::Refused(why) => (out, Some(why)),
            _ => (out, None),
        }
    };
    let (answer, why) = says(b"GET /v2/ws HTTP/1.1\r\n");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains(&format!("Content-Length: {}\r\n", body.len())));
    assert!(body.contains("wss://") && matches!(why, Some(Refusal::Plain)));

    let (alert, _) = says(&[0x80, 0x2e, 1, 0, 2]);
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 10]);

    // The first words of a client that speaks TLS 1.1 and nothing newer.
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x09, 1, 0]);
    let (alert, why) = says(&hello);
    assert_eq!(alert, [21, 3, 1, 0, 2, 2, 70]);
    assert!(matches!(why, Some(Refusal::TooOld)), "{why:?}");

    let endless = [&[22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff][..], &vec![0; 0x4000 - 4]].concat();
    let (_, why) = says(&endless.repeat(3));
    assert!(why.is_some(), "what is kept is bounded");
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_by_its_alert() {
    let authority = Authority::new();
    let setup = ClientSetup {
        protocols: vec![b"h2".to_vec()],
        ..ClientSetup::default()
    };
    let mut client = Client::new(&setup.config(&authority).into());
    let (_, said) = shake_hands(&terms(&authority, None), &mut client, usize::MAX);
    assert_eq!(said, Err(Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
}

#[test]
fn certificates_of_clients_are_asked_for_and_judged() {
    let (ours, others) = (Authority::new(), Authority::called("other"));
    let good = || ours.sign(&["console-7"]);
    let fingerprint = |identity: &super::Identity| CertificateFingerprint::of(&identity.0[0]);
    for (versions, lacking) in [
        (&V1_2, AlertDescription::HandshakeFailure),
        (&V1_3, AlertDescription::CertificateRequired),
    ] {
        for (is_required, identity, refused_with) in [
            (false, None, None),
            (false, Some(good()), None),
            (true, Some(good()), None),
            (true, None, Some(lacking)),
            (
                true,
                Some(others.sign(&["console-7"])),
                Some(AlertDescription::UnknownCA),
            ),
            (
                false,
                Some(others.sign(&["console-7"])),
                Some(AlertDescription::UnknownCA),
            ),
            (
                true,
                Some(ours.sign_until(&["console-7"], 2_001)),
                Some(AlertDescription::CertificateExpired),
            ),
        ] {
            let shown = identity.as_ref().map(fingerprint);
            let terms = terms(&ours, Some(rule(&ours, is_required)));
            let setup = ClientSetup {
                versions,
                identity,
                ..ClientSetup::default()
            };
            let mut client = Client::new(&setup.config(&ours).into());
            let (ended, said) = shake_hands(&terms, &mut client, usize::MAX);
            match (ended, refused_with) {
                (Ended::Done(secured), None) => assert_eq!(secured.fingerprint, shown),
                (Ended::Refused(_), Some(alert)) => assert_eq!(said, Err(Error::AlertReceived(alert))),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn who_resumes_is_known_again_and_checked_again() {
    let (ours, others) = (Authority::new(), Authority::called("other"));
    for versions in [&V1_2, &V1_3] {
        let identity = ours.sign(&["console-7"]);
        let shown = CertificateFingerprint::of(&identity.0[0]);
        let setup = ClientSetup {
            versions,
            identity: Some(identity),
            ..ClientSetup::default()
        };
        let config: Arc<ClientConfig> = setup.config(&ours).into();
        let serve = |client: Option<ClientRule>, tickets| {
            let certificate = certificate(ours.sign(&[NAME]));
            Terms::new(vec![certificate], client, tickets).expect("terms")
        };
        let kept = tickets().expect("randomness");
        let first = secured(
            &serve(Some(rule(&ours, true)), Arc::clone(&kept)),
            &mut Client::new(&config),
        );
        assert!(!first.resumed && first.fingerprint == Some(shown));
        let again = secured(
            &serve(Some(rule(&ours, true)), Arc::clone(&kept)),
            &mut Client::new(&config),
        );
        assert!(
            again.resumed && again.fingerprint == Some(shown),
            "under another certificate of ours, too"
        );
        // Had the tickets outlived the rule, nobody would have looked at the certificate.
        let (ended, said) = shake_hands(
            &serve(Some(rule(&others, true)), kept),
            &mut Client::new(&config),
            usize::MAX,
        );
        assert!(
            matches!(
                ended,
                Ended::Refused(Refusal::Tls(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
            ),
            "{ended:?}"
        );
        assert_eq!(said, Err(Error::AlertReceived(AlertDescription::UnknownCA)));
    }
}

#[test]
fn the_certificate_is_the_one_of_the_name_that_is_asked_for() {
    let authority = Authority::new();
    let pairs = [
        &["first.example"][..],
        &["play.example", "*.play.example"],
        &["*.third.example"],
    ];
    let certificates: Vec<Certificate> = pairs.iter().map(|names| certificate(authority.sign(names))).collect();
    let names: Vec<_> = certificates
        .iter()
        .map(|certificate| certificate.names().to_vec())
        .collect();
    assert_eq!(names[1], ["play.example", "*.play.example"]);
    let terms = Terms::new(certificates, None, tickets().expect("randomness")).expect("terms");
    let config: Arc<ClientConfig> = ClientSetup::default().config(&authority).into();
    for (name, is_served) in [
        ("first.example", true),
        ("play.example", true),
        ("PLAY.example", true),
        ("eu.play.example", true),
        ("a.third.example", true),
        ("third.example", false),
        ("a.eu.play.example", false),
        ("elsewhere.test", false),
    ] {
        let mut client = Client::asking_for(&config, name);
        let (_, said) = shake_hands(&terms, &mut client, usize::MAX);
        assert_eq!(said.is_ok(), is_served, "{name}: {said:?}");
    }
}

#[test]
fn no_damage_to_a_handshake_does_harm() {
    let authority = Authority::new();
    let terms = terms(&authority, Some(rule(&authority, false)));
    let config: Arc<ClientConfig> = ClientSetup::default().config(&authority).into();
    let mut client = Client::new(&config);
    let hello = std::mem::take(&mut client.outgoing);
    let mut out = Vec::new();
    for at in 0..hello.len() {
        let mut damaged = hello.clone();
        damaged[at] ^= 0x41;
        // A session id or a key may be anything.
        let progress = Handshake::new(&terms).expect("randomness").read(&damaged, &mut out);
        if let Progress::Goes(handshake) = progress {
            let more = handshake.read(&damaged, &mut out);
            assert!(!matches!(more, Progress::Done(_)), "byte {at}");
        }
    }
    let words_after_hello = |client: &mut Client| {
        let mut out = Vec::new();
        let hello = std::mem::take(&mut client.outgoing);
        let Progress::Goes(handshake) = Handshake::new(&terms).expect("randomness").read(&hello, &mut out) else {
            panic!("it is not over");
        };
        client.take(&out).expect("our flight");
        (handshake, std::mem::take(&mut client.outgoing))
    };
    let (_, words) = words_after_hello(&mut Client::new(&config));
    for at in 0..words.len() {
        let (handshake, mut words) = words_after_hello(&mut Client::new(&config));
        words[at] ^= 0x41;
        let progress = handshake.read(&words, &mut out);
        // The record that means nothing any more, and the version in the header of the next.
        let is_passed_over = at < 6 || (7..9).contains(&at);
        let is_done = matches!(progress, Progress::Done(_));
        assert!(!is_done || is_passed_over, "byte {at}: {progress:?}");
    }
}
