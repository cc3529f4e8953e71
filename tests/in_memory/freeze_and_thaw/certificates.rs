//! Seats stay tied to client certificates, and proofs to the certificate that was shown, whatever is frozen meanwhile.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signal_fish_relay::auth::token_binding::{BindingTerms, HandshakeKey};
use signal_fish_relay::protocol::{CertificateFingerprint, ProtocolVersion};

use super::rig::{Cut, Rig, Step, positions};
use super::server::{limits, settings};
use super::wire::{frame, text};
use super::{CHANGES, CLOSE};
use crate::proofs::{HANDSHAKE_KEY, Proofs};

const MIRAS: &[u8] = b"Mira's certificate";
const OTTOS: &[u8] = b"Otto's certificate";

/// The message of this kind that a client heard last.
fn last_heard(rig: &Rig, client: usize, tag: &str) -> Value {
    let heard = rig.heard(client);
    let mut messages = heard.match_indices('{').filter_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&heard[at..]).into_iter::<Value>();
        values.next()?.ok().filter(|message| message["type"] == tag)
    });
    messages
        .next_back()
        .unwrap_or_else(|| panic!("{client} heard no {tag}: {heard}"))
}

/// Has a client connect with a certificate that it has to name, and shake hands.
fn enter(rig: &mut Rig, client: usize, certificate: &[u8]) -> Proofs {
    rig.arrival.endpoint = ProtocolVersion::V3;
    rig.arrival.certificate = Some(CertificateFingerprint::of(certificate));
    rig.arrival.binding = Some(BindingTerms {
        key: HandshakeKey::parse(HANDSHAKE_KEY.as_bytes()).expect("a key"),
        demands_fingerprint: true,
    });
    rig.play(&[Step::Connect(client)], None);
    let mut proofs = Proofs::new(&last_heard(rig, client, "TokenBindingChallenge"));
    proofs.fingerprint = Some(HEXLOWER.encode(&Sha256::digest(certificate)));
    let hello = signed(
        &mut proofs,
        &json!({"type": "Authenticate", "data": {"app_id": "reef"}}),
    );
    rig.play(&[Step::Send(client, hello)], None);
    proofs
}

fn signed(proofs: &mut Proofs, message: &Value) -> Vec<u8> {
    text(&proofs.next(message).to_string())
}

/// Mira loses her seat, and somebody with this certificate asks for it. Both of them, and then the record of the seat, are
/// frozen; the request is cut by a change of process so many bytes before its end, if it is that long. Returns what is
/// answered.
fn asks_for_miras_seat(certificate: &[u8], (from, into): (u16, u16), unsent_bytes: usize) -> Option<String> {
    let mut rig = Rig::new(settings(), limits(), from);
    let mut mira = enter(&mut rig, 0, MIRAS);
    let join = json!({"type": "JoinRoom", "data": {"game_name": "reef", "player_name": "Mira", "room_code": "ABC234"}});
    rig.play(&[Step::Send(0, signed(&mut mira, &join))], None);
    let seat = last_heard(&rig, 0, "RoomJoined")["data"].clone();
    let mut asker = enter(&mut rig, 1, certificate);
    rig.change_process(into);
    rig.play(&[Step::Send(0, signed(&mut mira, &json!({"type": "Ping"})))], None);
    last_heard(&rig, 0, "Pong");
    rig.play(&[Step::Send(0, frame(CLOSE, &1000_u16.to_be_bytes()))], None);
    rig.change_process(from);
    let reconnect = json!({"type": "Reconnect", "data": {"player_id": seat["player_id"], "room_id": seat["room_id"],
        "auth_token": seat["reconnection_token"]}});
    let script = [Step::Send(1, signed(&mut asker, &reconnect))];
    let at = (positions(&script) - 1).checked_sub(unsent_bytes)?;
    rig.play(&script, Some(Cut { at, into }));
    let heard = rig.heard(1);
    let outcomes = ["\"Reconnected\"", "\"RECONNECTION_TOKEN_INVALID\""];
    let found: Vec<_> = outcomes.into_iter().filter(|outcome| heard.contains(outcome)).collect();
    Some(found.concat())
}

#[test]
fn a_seat_stays_tied_to_its_certificate_wherever_the_request_is_cut() {
    for change in CHANGES.into_iter().chain([(2, 2)]) {
        for (certificate, answer) in [(MIRAS, "\"Reconnected\""), (OTTOS, "\"RECONNECTION_TOKEN_INVALID\"")] {
            // Behind the last byte the request itself is on its way.
            let answers: Vec<_> = (0..)
                .step_by(23)
                .map_while(|unsent_bytes| asks_for_miras_seat(certificate, change, unsent_bytes))
                .collect();
            assert!(answers.len() > 10, "{} positions", answers.len());
            assert!(answers.iter().all(|found| found == answer), "{change:?}: {answers:?}");
        }
    }
}
