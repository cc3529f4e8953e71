//! TLS as other people's programs speak it: curl, openssl and Python's own `ssl` are served, and are told in their words when
//! they show no certificate that is believed, or speak what is not safe. (The browser has a file of its own.)

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use signal_fish_relay::config::{ClientAuth, Config};

use crate::support::server::Server;
use crate::support::tls::{Authority, Identity, NAME};

fn server(authority: &Authority, change: impl FnOnce(&mut Config)) -> Server {
    let identity = authority.server("server");
    Server::with(2, |config| {
        identity.serve(config);
        change(config);
    })
}

fn demanding(authority: &Authority) -> Server {
    server(authority, |config| {
        config.security.transport.tls.client_auth = ClientAuth::Require;
        config.security.transport.tls.client_ca_cert_path = Some(authority.path());
    })
}

/// Everything that a program has said.
fn said(output: &Output) -> String {
    let [out, complaints] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{out}{complaints}")
}

fn curl(authority: &Authority, server: &Server, more: &[&str]) -> Output {
    let port = server.address().port();
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(authority.path())
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .args(more)
        .output()
        .expect("curl in PATH")
}

#[test]
#[ignore = "needs curl in PATH: .ci/run installs it and includes this test"]
fn curl_is_answered_over_one_connection_and_told_when_it_forgot_tls() {
    let authority = Authority::new("curl");
    let server = server(&authority, |_| {});
    let place = format!("{NAME}:{}", server.address().port());
    let health = format!("https://{place}/health");
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let twice = [version, &["--write-out", " %{num_connects} ", &health, &health]].concat();
        let output = curl(&authority, &server, &twice);
        assert_eq!(said(&output), "OK 1 OK 0 ", "{version:?}");
    }
    let said = said(&curl(&authority, &server, &[&format!("http://{place}/health")]));
    assert!(said.contains("https://"), "{said}");
}

fn openssl(authority: &Authority, server: &Server, identity: Option<&Identity>, more: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command
        .args([
            "20",
            "openssl",
            "s_client",
            "-ign_eof",
            "-verify_return_error",
            "-CAfile",
        ])
        .arg(authority.path())
        .args(["-verify_hostname", NAME, "-servername", NAME, "-connect"])
        .arg(server.address().to_string())
        .args(more);
    if let Some(identity) = identity {
        command
            .arg("-cert")
            .arg(&identity.certificate)
            .arg("-key")
            .arg(&identity.key);
    }
    let request = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        request.path(),
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .expect("a file of ours");
    command.stdin(Stdio::from(File::open(request.path()).expect("a file of ours")));
    said(&command.output().expect("openssl in PATH"))
}

#[test]
#[ignore = "needs openssl in PATH: .ci/run installs it and includes this test"]
fn openssl_is_served_with_its_certificate_and_told_what_is_wrong_without() {
    let (authority, stranger) = (Authority::new("openssl"), Authority::new("stranger"));
    let server = demanding(&authority);
    let good = authority.sign("good", &["good"], 2_100);
    let expired = authority.sign("expired", &["expired"], 2_001);
    let foreign = stranger.sign("foreign", &["foreign"], 2_100);
    for (version, lacking) in [
        ("-tls1_2", "alert handshake failure"),
        ("-tls1_3", "alert certificate required"),
    ] {
        let served = openssl(&authority, &server, Some(&good), &[version, "-alpn", "http/1.1"]);
        for words in [
            "Verify return code: 0 (ok)",
            "HTTP/1.1 200 OK",
            "ALPN protocol: http/1.1",
        ] {
            assert!(served.contains(words), "{version}: {words} was expected: {served}");
        }
        for (identity, words) in [
            (None, lacking),
            (Some(&expired), "alert certificate expired"),
            (Some(&foreign), "alert unknown ca"),
        ] {
            let told = openssl(&authority, &server, identity, &[version]);
            assert!(told.contains(words), "{version}: {words} was expected: {told}");
            assert!(!told.contains("HTTP/1.1"), "{version}: {told}");
        }
    }
    let told = openssl(
        &authority,
        &server,
        Some(&good),
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
    );
    assert!(told.contains("alert protocol version"), "{told}");
    let told = openssl(&authority, &server, Some(&good), &["-alpn", "h2"]);
    assert!(told.contains("no application protocol"), "{told}");
}

/// Upgrades by hand, says `Ping`, enters a room, ends the WebSocket and then TLS, each in order.
const PYTHON: &str = r#"
import json, os, socket, ssl, struct, sys
authority, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def exactly(tls, count):
    data = b""
    while len(data) < count:
        more = tls.recv(count - len(data))
        assert more, "an end was not expected"
        data += more
    return data
def send(tls, opcode, payload):
    mask = os.urandom(4)
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xfe]) + struct.pack(">H", len(payload))
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    tls.sendall(bytes([0x80 | opcode]) + length + mask + masked)
def receive(tls):
    first, length = exactly(tls, 2)
    if length == 126:
        length = struct.unpack(">H", exactly(tls, 2))[0]
    return first & 15, exactly(tls, length)
def until(tls, kind):
    while True:
        message = json.loads(receive(tls)[1])
        if message["type"] == kind:
            return message
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = context.maximum_version = version
    tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname=name)
    tls.sendall(b"GET /v2/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(tls, 1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    send(tls, 1, b'{"type":"Ping"}')
    assert receive(tls) == (1, b'{"type":"Pong"}')
    send(tls, 1, json.dumps({"type": "JoinRoom", "data": {"game_name": "reef", "player_name": "Python"}}).encode())
    until(tls, "RoomJoined")
    send(tls, 1, json.dumps({"type": "GameData", "data": {"data": "x" * 40000}}).encode())
    send(tls, 1, b'{"type":"Ping"}')
    until(tls, "Pong")
    send(tls, 8, struct.pack(">H", 1000))
    while receive(tls)[0] != 8:
        pass
    tls.unwrap().close()
    print(tls.version(), "played")
"#;

fn python(authority: &Path, server: &Server) -> Output {
    let port = server.address().port().to_string();
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).arg(authority).args([&port, NAME]);
    command.output().expect("python3 in PATH")
}

#[test]
#[ignore = "needs python3 in PATH: .ci/run installs it and includes this test"]
fn python_plays_over_both_versions_and_ends_in_order() {
    let authority = Authority::new("python");
    let server = server(&authority, |_| {});
    let output = python(&authority.path(), &server);
    assert!(output.status.success(), "{}", said(&output));
    let stranger = Authority::new("nobody");
    let output = python(&stranger.path(), &server);
    assert!(said(&output).contains("CERTIFICATE_VERIFY_FAILED"), "{}", said(&output));
}
