//! What can be served and what cannot.

use super::super::{Certificate, ClientRule, Terms, TermsError, tickets};
use super::{Authority, certificate};

#[test]
fn a_pair_that_does_not_fit_is_no_pair() {
    let authority = Authority::new();
    let (chain, _) = authority.sign(&["a.example"]);
    let (_, key) = authority.sign(&["a.example"]);
    let error = Certificate::new(chain, key).expect_err("another's key");
    assert!(matches!(error, TermsError::Pair(_)), "{error}");
    let (_, key) = authority.sign(&["a.example"]);
    let error = Certificate::new(vec![b"nothing".to_vec().into()], key).expect_err("no certificate");
    assert!(matches!(error, TermsError::Unreadable(_)), "{error}");
}

#[test]
fn the_first_end_counts() {
    let authority = Authority::new();
    let certificates = [2_040, 2_030, 2_050].map(|year| certificate(authority.sign_until(&["a.example"], year)));
    let terms = Terms::new(certificates.into(), None, tickets().expect("randomness")).expect("terms");
    assert_eq!(terms.expires_unix_secs(), 1_893_456_000, "the first of January 2030");
    assert!(matches!(
        Terms::new(Vec::new(), None, tickets().expect("randomness")),
        Err(TermsError::Empty)
    ));
}

#[test]
fn tickets_are_good_as_long_as_the_same_clients_may_come() {
    let (one, other) = (Authority::new(), Authority::new());
    let rule = |authority: &Authority, is_required| ClientRule {
        authorities: vec![authority.certificate()],
        is_required,
    };
    let terms = super::terms(&one, Some(rule(&one, true)));
    assert!(terms.admits_like(Some(&rule(&one, true))));
    for changed in [Some(rule(&one, false)), Some(rule(&other, true)), None] {
        assert!(!terms.admits_like(changed.as_ref()), "{changed:?}");
    }
}
