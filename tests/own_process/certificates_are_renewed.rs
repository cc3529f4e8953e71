//! Certificates are taken over from their files while the server runs, with SIGHUP and without: the next handshake shows the
//! new one, and whoever is connected goes on. What cannot be used changes nothing, and the log says why without a secret.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::support::DEADLINE;
use crate::support::process::{Program, ServerProcess};
use crate::support::tls::{Authority, Identity};
use crate::support::wire::Wire;

const READ: &str = "certificates were read";
const NOT_TAKEN_OVER: &str = "certificates have changed and were not taken over; the old ones stay";
const NOT_RELOADED: &str = "nothing was reloaded";

/// A configuration that keeps networks out.
fn configuration(identity: &Identity, blocked: &[&str]) -> String {
    let tls = json!({"enabled": true, "certificate_path": identity.certificate, "private_key_path": identity.key});
    json!({"security": {"transport": {"tls": tls}, "blocked_networks": blocked}}).to_string()
}

fn serve(authority: &Authority) -> ServerProcess {
    let identity = authority.server("server");
    let program = Program::new(&["--config", "relay.json", "--port", "0", "--shards", "2"]);
    fs::write(program.directory().join("relay.json"), configuration(&identity, &[])).expect("a file of ours");
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

/// Lets nobody open a file: a lease on it, which the system honours for `/proc/sys/fs/lease-break-time` seconds. To look at it is
/// possible, as often on a file system that is gone.
fn hang(path: &Path) -> File {
    /// Which signal tells of whoever waits; the library has no name for it.
    const F_SETSIG: libc::c_int = 10;
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("a file of ours");
    // SAFETY: the descriptor is open, and nothing else is passed. Of the two signals that a lease can send, one is for those who
    // await it.
    let leased = unsafe {
        libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG);
        libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK)
    };
    assert_eq!(leased, 0, "{}", std::io::Error::last_os_error());
    file
}

/// How many threads of a process wait for files.
fn readers(server: &ServerProcess) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).expect("it runs");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "file-read").count()
}

#[test]
fn files_that_hang_hold_up_neither_the_rest_of_a_reload_nor_the_stop() {
    const LATE: &str = "certificates were not reloaded; the old ones stay";
    const RELOADED: &str = "applications and the key of connect tokens were reloaded";
    let authority = Authority::new("hanging");
    let server = serve(&authority);
    let old = shown(&authority, &server);
    let identity = authority.server("other");
    let _lease = hang(&identity.certificate);
    for blocked in [&["192.0.2.0/24"][..], &["192.0.2.0/24", "198.51.100.0/24"]] {
        let config = configuration(&identity, blocked);
        fs::write(server.directory().join("relay.json"), config).expect("a file of ours");
        server.signal(libc::SIGHUP);
        server.wait_for_log(LATE);
        let line = server.wait_for_log(RELOADED);
        assert_eq!(line["fields"]["blocked_networks"], blocked.len(), "{line}");
        assert!(readers(&server) <= 1, "one waits at most");
        assert!(shown(&authority, &server) == old);
    }
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
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
