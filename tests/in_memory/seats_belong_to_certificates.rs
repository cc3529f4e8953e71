//! Where client certificates are demanded, every frame names the one that its connection has shown, and a seat is given back
//! only to the certificate that took it, wherever its room lives.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signal_fish_relay::auth::token_binding::{BindingTerms, HandshakeKey};
use signal_fish_relay::protocol::{CertificateFingerprint, ProtocolVersion};

use crate::harness::{Client, Frame, Game, Setup, in_every_schedule};
use crate::proofs::{HANDSHAKE_KEY, Proofs};

/// Stand-ins for certificates: all that is known of one is the hash of its bytes.
const MIRAS: &[u8] = b"Mira's certificate";
const OTTOS: &[u8] = b"Otto's certificate";

fn fingerprint_of(certificate: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(certificate))
}

/// A client that signs.
struct Signer {
    client: Client,
    proofs: Proofs,
}

impl Signer {
    /// Connects with a certificate, or without one, to a server that demands one.
    fn connect(game: &Game, name: &str, shard: Option<u16>, certificate: Option<&[u8]>) -> Self {
        let mut machine = game.machine();
        machine.arrives_bound = Some(BindingTerms {
            key: HandshakeKey::parse(HANDSHAKE_KEY.as_bytes()).expect("a key"),
            demands_fingerprint: true,
        });
        machine.arrives_with = certificate.map(CertificateFingerprint::of);
        drop(machine);
        let client = game.connect_by(name, shard, ProtocolVersion::V3);
        let challenge = client.expects(json!({"type": "TokenBindingChallenge", "data": "$any"}));
        let mut proofs = Proofs::new(&challenge);
        proofs.fingerprint = certificate.map(fingerprint_of);
        Self { client, proofs }
    }

    /// Connects with a certificate and completes the handshake.
    fn enter(game: &Game, name: &str, shard: Option<u16>, certificate: &[u8]) -> Self {
        let mut signer = Self::connect(game, name, shard, Some(certificate));
        signer.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer"}}));
        signer.expects("Authenticated");
        signer.expects("ProtocolInfo");
        signer
    }

    fn sends(&mut self, message: Value) {
        self.client.sends(self.proofs.next(&message));
    }

    #[track_caller]
    fn expects(&self, tag: &str) -> Value {
        self.client.expects(json!({"type": tag, "data": "$any"}))["data"].clone()
    }

    /// Takes a seat in a room of any code; returns what it was told with it.
    fn sits_down(&mut self, code: Option<&str>) -> Value {
        let name = self.client.name();
        self.sends(json!({"type": "JoinRoom",
            "data": {"game_name": "tide-pool", "player_name": name, "room_code": code}}));
        self.expects("RoomJoined")
    }
}

fn reconnect(seat: &Value, token: &Value) -> Value {
    json!({"type": "Reconnect",
        "data": {"player_id": seat["player_id"], "room_id": seat["room_id"], "auth_token": token}})
}

#[test]
fn a_seat_is_given_back_only_to_the_certificate_that_took_it() {
    in_every_schedule(Setup::default, |game| {
        let shards = game.machine().world.shards();
        let mut host = Signer::enter(game, "Host", None, OTTOS);
        let room = host.sits_down(None);
        let mut mira = Signer::enter(game, "Mira", None, MIRAS);
        let mut seat = mira.sits_down(room["room_code"].as_str());
        for shard in (0..shards).map(Some) {
            mira.client.vanishes();
            let token = seat["reconnection_token"].clone();
            // Whoever has her token and a good certificate of its own is told what a guess is told.
            let mut thief = Signer::enter(game, "thief", shard, OTTOS);
            thief.sends(reconnect(&seat, &json!("a guess")));
            let told_to_guesses = thief.expects("ReconnectionFailed");
            assert_eq!(told_to_guesses["error_code"], "RECONNECTION_TOKEN_INVALID");
            thief.sends(reconnect(&seat, &token));
            assert_eq!(thief.expects("ReconnectionFailed"), told_to_guesses);
            // The same on a connection that shows none, as before a server demanded any.
            game.machine().arrives_bound = None;
            let plain = game.connect_by("plain", shard, ProtocolVersion::V3);
            plain.authenticate("reef-racer").sends(reconnect(&seat, &token));
            let told = plain.expects(json!({"type": "ReconnectionFailed", "data": "$any"}));
            assert_eq!(told["data"], told_to_guesses);

            mira = Signer::enter(game, "Mira", shard, MIRAS);
            mira.sends(reconnect(&seat, &token));
            seat = mira.expects("Reconnected");
            assert_ne!(seat["reconnection_token"], token, "that of the next return");
        }
        mira.sends(json!({"type": "Ping"}));
        mira.client.expects(json!({"type": "Pong"}));
        assert!(
            shards == 1 || game.count("hops_received_total") > 0,
            "somebody had to move to the room's home"
        );
    });
}

#[test]
fn a_frame_that_does_not_name_the_shown_certificate_ends_the_connection() {
    let game = Game::new(Setup::default());
    for (shown, named) in [
        (Some(MIRAS), None),
        (Some(MIRAS), Some(OTTOS)),
        (None, None),
        (None, Some(MIRAS)),
    ] {
        let mut signer = Signer::connect(&game, "liar", None, shown);
        signer.proofs.fingerprint = named.map(fingerprint_of);
        signer.sends(json!({"type": "Ping"}));
        signer.client.expects_error("UNAUTHORIZED");
        let end = signer.client.next_frame();
        assert!(matches!(end, Frame::Close(Some(1000), _)), "{end:?}");
        signer.client.expects_end();
    }
}
