//! Certificates are taken over from their files while the server runs, with SIGHUP and without: the next handshake shows the
//! new one, and whoever is connected goes on. What cannot be used changes nothing, and the log says why without a secret.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::support::process::{Program, ServerProcess};
use crate::support::tls::Authority;
use crate::support::wire::Wire;

const READ: &str = "certificates were read";
const NOT_TAKEN_OVER: &str = "certificates have changed and were not taken over; the old ones stay";
const NOT_RELOADED: &str = "nothing was reloaded";

fn serve(authority: &Authority) -> ServerProcess {
    let identity = authority.server("server");
    let program = Program::new(&["--config", "relay.json", "--port", "0", "--shards", "2"]);
    let tls = json!({"enabled": true, "certificate_path": identity.certificate, "private_key_path": identity.key});
    let config = json!({"security": {"transport": {"tls": tls}}});
    fs::write(program.directory().join("relay.json"), config.to_string()).expect("a file of ours");
    program.variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0").serve()
}

fn connect(authority: &Authority, server: &ServerProcess) -> Wire {
    Wire::connect(server.address()).secure(&authority.client())
}

/// The certificate that a new connection is shown.
fn shown(authority: &Authority, server: &ServerProcess) -> CertificateDer<'static> {
    let mut wire = connect(authority, server);
    let chain = wire.tls().peer_certificates().expect("a server shows one");
    chain[0].clone().into_owned()
}

#[test]
fn a_change_of_the_files_and_a_signal_bring_the_new_certificate_and_end_nobody() {
    let authority = Authority::new("renewed");
    let server = serve(&authority);
    let old = shown(&authority, &server);
    let mut player = connect(&authority, &server).upgrade("/v2/ws");

    let renewed = authority.server("server");
    // A look in between may have found the one without the other: then the next finds both.
    server.wait_for_log(READ);
    assert!(shown(&authority, &server) == renewed.der && renewed.der != old);
    player.expect_served();

    let again = authority.server("server");
    server.signal(libc::SIGHUP);
    server.wait_for_log(READ);
    assert!(shown(&authority, &server) == again.der && again.der != renewed.der);
    player.expect_served();
    connect(&authority, &server).upgrade("/v2/ws").expect_served();
}

#[test]
fn what_cannot_be_used_changes_nothing_and_no_secret_is_told() {
    let authority = Authority::new("unusable");
    let server = serve(&authority);
    let old = shown(&authority, &server);
    let mut player = connect(&authority, &server).upgrade("/v2/ws");

    let stranger = authority.server("stranger");
    let key = authority.path().with_file_name("server-key.pem");
    let foreign = fs::read_to_string(&stranger.key).expect("a file of ours");
    let secret: String = foreign.lines().nth(1).expect("a key has lines").to_owned();
    let broken = foreign.replace("-----END", "!!");
    for unusable in [foreign.as_str(), broken.as_str(), "", &secret] {
        fs::write(&key, unusable).expect("a file of ours");
        server.signal(libc::SIGHUP);
        let line = server.wait_for_log(NOT_RELOADED).to_string();
        assert!(line.contains("server-key.pem"), "it says where: {line}");
        assert!(!line.contains(&secret[..16]), "it shows the key: {line}");
        assert!(shown(&authority, &server) == old);
        player.expect_served();
    }
    fs::write(&key, &broken).expect("a file of ours");
    let line = server.wait_for_log(NOT_TAKEN_OVER).to_string();
    assert!(
        line.contains("server-key.pem") && !line.contains(&secret[..16]),
        "{line}"
    );
    assert!(shown(&authority, &server) == old);
    player.expect_served();

    let renewed = authority.server("server");
    server.wait_for_log(READ);
    assert!(shown(&authority, &server) == renewed.der);
}

#[test]
fn a_check_opens_the_files_too() {
    let authority = Authority::new("checked");
    let (identity, other) = (authority.server("server"), authority.server("other"));
    let check = |certificate: &Path, key: &Path| {
        let tls = json!({"enabled": true, "certificate_path": certificate, "private_key_path": key});
        let config = json!({"security": {"transport": {"tls": tls}}}).to_string();
        let output = Program::new(&["--validate-config"])
            .variable("SIGNAL_FISH_CONFIG_JSON", &config)
            .output();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        (output.status.code(), said)
    };
    let (code, [shown, _]) = check(&identity.certificate, &identity.key);
    assert!(code == Some(0) && shown.contains("is valid"), "{shown}");
    for (certificate, key) in [
        (&identity.certificate, &other.key),
        (&identity.key, &identity.key),
        (&identity.certificate, &identity.certificate),
    ] {
        let (code, [shown, said]) = check(certificate, key);
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
        assert!(said.starts_with("Error: ") && said.contains("cannot be used"), "{said}");
    }
}
