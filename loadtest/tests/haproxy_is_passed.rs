//! The generator through HAProxy in front of a relay: a proxy that many run, and that has its own idea of TLS and of the
//! PROXY protocol.

mod authority;
mod program;
mod relay;
mod scratch;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use authority::{Authority, Identity};
use program::{execute, run_shortly};
use relay::Fault;
use scratch::Scratch;
use serde_json::Value;

/// HAProxy on a free port, killed when dropped.
struct Proxy {
    child: Child,
    _configuration: Scratch,
    address: SocketAddr,
}

impl Proxy {
    /// `bind` and `rules` are lines of its configuration.
    fn start(name: &str, bind: &str, rules: &str, behind: SocketAddr) -> Self {
        // It is given a socket that listens already: whoever connects early waits until it accepts.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        let configuration = Scratch::with(
            &format!("{name}-haproxy.cfg"),
            &format!(
                "global\n  maxconn 200\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
                 frontend outside\n  bind fd@0 {bind}\n  {rules}\n  default_backend inside\nbackend inside\n  \
                 server relay {behind}\n"
            ),
        );
        let child = Command::new("haproxy")
            .args(["-db", "-f", configuration.path()])
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .expect("haproxy in PATH");
        Self {
            child,
            _configuration: configuration,
            address,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificate and key in one file, as HAProxy wants them.
fn bundle(name: &str, identity: &Identity) -> Scratch {
    let read = |file: &Scratch| std::fs::read_to_string(file.path()).expect("a file");
    Scratch::with(name, &format!("{}{}", read(&identity.certificate), read(&identity.key)))
}

fn balances(url: &str, more: &[&str]) -> Value {
    let (output, report) = run_shortly(url, more);
    assert_eq!(output.status.code(), Some(0), "{more:?}: {output:?}");
    assert_eq!(report["ledger"]["balanced"], true, "{more:?}: {report}");
    report
}

#[test]
#[ignore = "needs haproxy in PATH: .ci/run installs it and includes this test"]
fn tls_ends_at_haproxy() {
    let authority = Authority::new("haproxy");
    let server = bundle("haproxy-server.pem", &authority.sign(&["localhost", "127.0.0.1"]));
    let client = authority.sign(&["client"]);
    let bind = format!(
        "ssl crt {} ca-file {} verify required",
        server.path(),
        authority.file.path()
    );
    let proxy = Proxy::start("tls", &bind, "", relay::start(Fault::None));
    let url = format!("wss://localhost:{}/v2/ws", proxy.address.port());
    let trust = ["--ca", authority.file.path()];
    let us = [
        "--client-cert",
        client.certificate.path(),
        "--client-key",
        client.key.path(),
    ];
    for version in ["1.2", "1.3"] {
        let ours = [&trust[..], &us, &["--tls-version", version]].concat();
        let report = balances(&url, &ours);
        let suites = report["connections"]["tls"]["suites"].as_object().expect("suites");
        assert!(suites.keys().all(|name| name.contains(version)), "{report}");

        let resumed = [
            "--tls-resume",
            "1",
            "--concurrency",
            "2",
            "--seconds",
            "0.3",
            "--url",
            &url,
        ];
        let (output, report) = execute(&[&["handshakes"][..], &resumed, &ours].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let (opened, resumed) = (&report["opened"], &report["tls"]["resumed"]);
        let (opened, resumed) = (opened.as_u64().expect("a count"), resumed.as_u64().expect("a count"));
        assert!(opened > 10 && resumed + 4 >= opened, "{version}: {report}");

        let nobody = [
            &["handshakes", "--seconds", "0.1", "--url", &url][..],
            &trust,
            &["--tls-version", version],
        ];
        let (output, _) = execute(&nobody.concat());
        // TLS 1.2 refuses within the handshake, at first contact, and TLS 1.3 behind it.
        assert_ne!(output.status.code(), Some(0), "{version}: {output:?}");
        let said = [output.stdout, output.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("--client-cert"), "{version}");
    }
}

#[test]
#[ignore = "needs haproxy in PATH: .ci/run installs it and includes this test"]
fn haproxy_believes_the_clients_that_are_made_up() {
    let authority = Authority::new("introduced");
    let server = bundle("introduced-server.pem", &authority.sign(&["127.0.0.1"]));
    let rules = "http-request deny unless { src 198.51.100.0/24 2001:db8::/32 }";
    let behind = relay::start(Fault::None);
    let plain = Proxy::start("plain", "accept-proxy", rules, behind);
    let secure = Proxy::start(
        "secure",
        &format!("accept-proxy ssl crt {}", server.path()),
        rules,
        behind,
    );
    let (plain, secure) = (
        format!("ws://{}/v2/ws", plain.address),
        format!("wss://{}/v2/ws", secure.address),
    );
    for version in ["v1", "v2"] {
        for network in ["198.51.100.0/24", "2001:db8::/32"] {
            let header = ["--proxy-protocol", version, "--client-network", network];
            let report = balances(&plain, &[&header[..], &["--client-addresses", "5"]].concat());
            assert_eq!(report["connections"]["proxy"]["client_addresses"], 5, "{report}");
            balances(&secure, &[&header[..], &["--ca", authority.file.path()]].concat());
        }
        let (output, _) = execute(&["run", "--url", &plain, "--proxy-protocol", version]);
        assert_eq!(output.status.code(), Some(2), "from 10.0.0.0/8: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("403"), "{output:?}");
    }
}
