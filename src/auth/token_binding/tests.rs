//! The check values of the protocol, and every violation.

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn bound() -> TokenBinding {
    bound_to(None, false)
}

/// That of a connection that has shown this certificate.
fn bound_to(certificate: Option<CertificateFingerprint>, demands_fingerprint: bool) -> TokenBinding {
    let policy = BindingPolicy {
        subprotocol: "b".to_owned(),
        is_required: false,
        demands_fingerprint,
    };
    let keys = [&b"AAAAAAAAAAAAAAAAAAAAAA=="[..]];
    let terms = negotiate(&policy, [&b"b"[..]].into_iter(), keys.into_iter())
        .expect("a good offer")
        .expect("bound");
    TokenBinding::new(&terms, certificate, &[1; NONCE_BYTES])
}

/// A signature, as a client makes it.
fn sign(domain: &[u8], sequence: u64, payload: &[u8], fingerprint: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&bound().key).expect("any length");
    for part in [domain, &sequence.to_be_bytes(), payload, fingerprint.as_bytes()] {
        mac.update(part);
    }
    BASE64.encode(&mac.finalize().into_bytes())
}

fn proof(domain: &[u8], sequence: u64, payload: &[u8]) -> Value {
    json!({"version": 2, "scheme": SCHEME, "sequence": sequence, "signature": sign(domain, sequence, payload, "")})
}

/// A message whose canonical form is `text`, with its proof.
fn signed_text(sequence: u64, text: &str) -> String {
    let mut message: Value = serde_json::from_str(text).expect("JSON");
    message["token_binding"] = proof(TEXT_DOMAIN, sequence, text.as_bytes());
    message.to_string()
}

fn signed_binary(sequence: u64, payload: &[u8]) -> Vec<u8> {
    binary_with(&proof(BINARY_DOMAIN, sequence, payload), payload)
}

fn binary_with(proof: &Value, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    rmp::encode::write_map_len(&mut out, 2).expect("memory");
    rmp::encode::write_str(&mut out, "token_binding").expect("memory");
    out.extend(rmp_serde::to_vec_named(proof).expect("serialisable"));
    rmp::encode::write_str(&mut out, "payload").expect("memory");
    rmp::encode::write_bin(&mut out, payload).expect("memory");
    out
}

#[test]
fn the_key_and_the_proofs_are_those_of_the_protocol() {
    let mut binding = bound();
    assert_eq!(
        HEXLOWER.encode(&binding.key),
        "688a0ac8cfad43bbe83c919695edc86ab58d77306214569c709bdb95976bafa4"
    );
    let ping = r#"{"type":"Ping","token_binding":{"version":2,"scheme":"server_nonce_hkdf_sha256","sequence":1,"signature":"B6cSoCVGR7KirzGLC3QEiPI9aL10anrpk7P6FrleOcs="}}"#;
    assert_eq!(binding.check_text(ping), Ok(()));
    let payload = HEXLOWER.decode(b"81a17801").expect("hex");
    let signature = "D0WltEZMbId+CiIlqlSi2tvUOVK6r7NQLFms94qHmPU=";
    assert_eq!(sign(BINARY_DOMAIN, 2, &payload, ""), signature);
    let frame = signed_binary(2, &payload);
    assert_eq!(binding.check_binary(&frame), Ok(&payload[..]));
    assert_eq!(binding.next_sequence, 3);
}

#[test]
fn the_meaning_is_signed_and_not_the_spelling() {
    let canonical = r#"{"data":{"data":{"a":[1,2],"ü":"x"}},"type":"GameData"}"#;
    let proof = proof(TEXT_DOMAIN, 1, canonical.as_bytes());
    let spelled = format!(
        r#" {{ "token_binding" : {proof}, "type":"GameD\u0061ta", "data": {{"data":{{"\u00fc":"\u0078","a":[ 1, 2 ]}}}} }} "#
    );
    assert_eq!(bound().check_text(&spelled), Ok(()));
    let changed = spelled.replace("[ 1, 2 ]", "[ 1, 3 ]");
    assert_eq!(bound().check_text(&changed), Err(BindingViolation::Signature));
}

#[test]
fn a_number_is_used_by_every_frame_that_proves_itself_and_by_no_other() {
    let mut binding = bound();
    assert_eq!(binding.check_text("{"), Err(BindingViolation::NotSignable));
    let float = signed_text(1, r#"{"type":"Ping"}"#).replace("\"Ping\"", "1.5");
    assert_eq!(binding.check_text(&float), Err(BindingViolation::NotSignable));
    assert_eq!(
        binding.check_text(&signed_text(1, r#"{"type":"Nope"}"#)),
        Ok(()),
        "unknown and proven"
    );
    let again = signed_text(1, r#"{"type":"Ping"}"#);
    assert_eq!(binding.check_text(&again), Err(BindingViolation::VersionOrSequence));
    let skipping = signed_text(3, r#"{"type":"Ping"}"#);
    assert_eq!(binding.check_text(&skipping), Err(BindingViolation::VersionOrSequence));
    assert_eq!(binding.check_binary(&signed_binary(2, b"x")), Ok(&b"x"[..]));
    assert_eq!(binding.check_text(&signed_text(3, r#"{"type":"Ping"}"#)), Ok(()));
}

#[test]
fn every_violation_is_told_apart() {
    use BindingViolation as V;
    let with = |member: &str, value: Value| {
        let mut message: Value = serde_json::from_str(&signed_text(1, r#"{"type":"Ping"}"#)).expect("JSON");
        message["token_binding"][member] = value;
        message.to_string()
    };
    let signature = sign(TEXT_DOMAIN, 1, br#"{"type":"Ping"}"#, "");
    for (text, violation) in [
        ("not JSON".to_owned(), V::NotSignable),
        (r#"{"type":"Ping","type":"Ping"}"#.to_owned(), V::NotSignable),
        ("[]".to_owned(), V::NotAnObject),
        ("7".to_owned(), V::NotAnObject),
        ("null".to_owned(), V::NotAnObject),
        (r#"{"type":"Ping"}"#.to_owned(), V::ProofMissing),
        (r#"{"type":"Ping","token_binding":null}"#.to_owned(), V::ProofMissing),
        (r#"{"type":"Ping","token_binding":7}"#.to_owned(), V::ProofMalformed),
        (r#"{"type":"Ping","token_binding":{}}"#.to_owned(), V::ProofMalformed),
        (with("version", json!("2")), V::ProofMalformed),
        (with("version", json!(1)), V::VersionOrSequence),
        (with("sequence", json!(-1)), V::ProofMalformed),
        (with("sequence", json!("1")), V::ProofMalformed),
        (with("sequence", json!(0)), V::VersionOrSequence),
        (with("scheme", json!("x")), V::ProofMalformed),
        (with("scheme", json!("sec_websocket_key_sha256")), V::OtherScheme),
        (with("signature", json!("!")), V::ProofMalformed),
        (
            with("signature", json!(signature.trim_end_matches('='))),
            V::ProofMalformed,
        ),
        (with("signature", json!("AAAA")), V::Signature),
        (with("signature", json!(BASE64.encode(&[0; 32]))), V::Signature),
        (with("fingerprint", json!("ab")), V::ProofMalformed),
        (with("fingerprint", json!("ab".repeat(32))), V::Signature),
    ] {
        assert_eq!(bound().check_text(&text), Err(violation), "{text}");
        assert_eq!(violation.is_final(), violation != V::NotSignable);
    }
    assert_eq!(bound().check_text(&with("fingerprint", Value::Null)), Ok(()));
    assert_eq!(bound().check_text(&with("more", json!(1))), Ok(()));
}

/// Text and binary frames whose proof names a fingerprint, or none.
fn naming(fingerprint: Option<&str>) -> (String, Vec<u8>) {
    let proof = |domain, payload| {
        let signature = sign(domain, 1, payload, fingerprint.unwrap_or_default());
        json!({"version": 2, "scheme": SCHEME, "sequence": 1, "signature": signature, "fingerprint": fingerprint})
    };
    let text = json!({"type": "Ping", "token_binding": proof(TEXT_DOMAIN, br#"{"type":"Ping"}"#)});
    (text.to_string(), binary_with(&proof(BINARY_DOMAIN, b"x"), b"x"))
}

#[test]
fn a_fingerprint_is_that_of_the_certificate_and_is_there_where_it_is_demanded() {
    use BindingViolation::{FingerprintMismatch, FingerprintMissing};
    let (ours, another) = ("0f".repeat(32), "f0".repeat(32));
    let (ours, another) = (Some(&*ours), Some(&*another));
    for (shown, is_demanded, named, outcome) in [
        (None, false, None, Ok(())),
        // Nobody can say whose it is, and nobody has asked for it.
        (None, false, ours, Ok(())),
        (ours, false, None, Ok(())),
        (ours, false, ours, Ok(())),
        (ours, false, another, Err(FingerprintMismatch)),
        (ours, true, ours, Ok(())),
        (ours, true, None, Err(FingerprintMissing)),
        (ours, true, another, Err(FingerprintMismatch)),
        (None, true, None, Err(FingerprintMissing)),
        (None, true, ours, Err(FingerprintMismatch)),
    ] {
        let shown = shown.and_then(CertificateFingerprint::from_hex);
        let (text, binary) = naming(named);
        let case = format!("{shown:?} shown, {named:?} named, demanded: {is_demanded}");
        assert_eq!(bound_to(shown, is_demanded).check_text(&text), outcome, "{case}");
        let payload = bound_to(shown, is_demanded).check_binary(&binary);
        assert_eq!(payload, outcome.map(|()| &b"x"[..]), "{case}");
        assert_eq!(
            bound_to(shown, is_demanded).demanded_certificate(),
            shown.filter(|_| is_demanded)
        );
    }
    for violation in [FingerprintMissing, FingerprintMismatch] {
        assert!(violation.is_final());
        assert_eq!(violation.code(), ErrorCode::Unauthorized);
    }
}

#[test]
fn a_fingerprint_is_part_of_what_is_signed() {
    let ours = "0f".repeat(32);
    let shown = CertificateFingerprint::from_hex(&ours);
    let unsigned = naming(None).0.replace("null", &format!("\"{ours}\""));
    assert_eq!(
        bound_to(shown, true).check_text(&unsigned),
        Err(BindingViolation::Signature)
    );
    let removed = naming(Some(&ours)).0.replace(&format!("\"{ours}\""), "null");
    assert_eq!(
        bound_to(shown, false).check_text(&removed),
        Err(BindingViolation::Signature)
    );
}

#[test]
fn only_the_envelope_is_a_binary_frame() {
    use BindingViolation as V;
    let good = signed_binary(1, b"payload");
    assert_eq!(bound().check_binary(&good), Ok(&b"payload"[..]));
    for end in 0..good.len() {
        assert_eq!(
            bound().check_binary(&good[..end]),
            Err(V::NotAnEnvelope),
            "cut at {end}"
        );
    }
    let longer = [&good[..], &[0xc0]].concat();
    assert_eq!(bound().check_binary(&longer), Err(V::NotAnEnvelope));
    assert_eq!(bound().check_binary(b"\x01"), Err(V::NotAnEnvelope));
    let mut changed = good.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    assert_eq!(bound().check_binary(&changed), Err(V::Signature));
    let text_proof = binary_with(&proof(TEXT_DOMAIN, 1, b"payload"), b"payload");
    assert_eq!(
        bound().check_binary(&text_proof),
        Err(V::Signature),
        "domains are apart"
    );
    let incomplete = binary_with(&json!({"version": 2}), b"payload");
    assert_eq!(bound().check_binary(&incomplete), Err(V::ProofMalformed));
    let unknown = binary_with(&json!({"version": 2, "more": 1}), b"payload");
    assert_eq!(bound().check_binary(&unknown), Err(V::NotAnEnvelope));
}

#[test]
fn an_archived_binding_goes_on_with_the_next_number() {
    let thawed = |binding: &TokenBinding| {
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(binding).expect("archived");
        rkyv::from_bytes::<TokenBinding, rkyv::rancor::Error>(&bytes).expect("read")
    };
    let shown = CertificateFingerprint::of(b"a certificate");
    let binding = thawed(&bound_to(Some(shown), true));
    assert_eq!(binding.demanded_certificate(), Some(shown));
    let mut binding = bound();
    assert_eq!(binding.check_text(&signed_text(1, r#"{"type":"Ping"}"#)), Ok(()));
    let mut binding = thawed(&binding);
    assert_eq!(
        binding.check_text(&signed_text(1, r#"{"type":"Ping"}"#)),
        Err(BindingViolation::VersionOrSequence)
    );
    assert_eq!(binding.check_binary(&signed_binary(2, b"x")), Ok(&b"x"[..]));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(frame in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        prop_assert!(bound().check_binary(&frame).is_err());
        prop_assert!(bound().check_text(&text).is_err());
    }

    #[test]
    fn no_byte_of_an_envelope_can_be_another(at in 0_usize..1_000, change in 1_u8..) {
        let mut frame = signed_binary(1, b"payload");
        let at = at % frame.len();
        frame[at] ^= change;
        prop_assert!(bound().check_binary(&frame).is_err(), "byte {at}");
    }
}

#[test]
fn the_key_is_not_printed() {
    assert_eq!(format!("{:?}", bound()), "TokenBinding { next_sequence: 1, .. }");
}
