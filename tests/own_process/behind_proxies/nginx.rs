//! nginx with `deploy/nginx-stream.conf` and `deploy/nginx-http.conf`.

use super::certificate::Certificate;
use super::proxy::{Proxy, deployed, free_port};
use super::{
    BY_FORWARDED_FOR, BY_PROXY_HEADER, ONE, SILENCE, a_quiet_player_stays, connect, relay, relay_that_pings,
    two_play_by_their_own_addresses,
};
use crate::support::process::ServerProcess;

fn as_stream(relay: &ServerProcess) -> Proxy {
    let port = free_port();
    let changes = [
        SILENCE,
        ("listen 3536;", &format!("listen 127.0.0.1:{port};")),
        ("127.0.0.1:3537", &relay.address().to_string()),
    ];
    let file = deployed("nginx-stream.conf", &changes);
    let module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;";
    Proxy::nginx(&format!("{module}\nevents {{}}\n{file}"), port)
}

fn as_http(relay: &ServerProcess, certificate: &Certificate) -> Proxy {
    let port = free_port();
    let changes = [
        SILENCE,
        ("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;")),
        ("127.0.0.1:3537", &relay.address().to_string()),
        (
            "/etc/ssl/relay/fullchain.pem",
            &certificate.certificate().display().to_string(),
        ),
        ("/etc/ssl/relay/privkey.pem", &certificate.key().display().to_string()),
    ];
    let file = deployed("nginx-http.conf", &changes);
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};\n"));
    let temporary = temporary.concat();
    Proxy::nginx(
        &format!("events {{}}\nhttp {{\naccess_log off;\n{temporary}{file}\n}}\n"),
        port,
    )
}

#[test]
#[ignore = "needs nginx with its stream module: .ci/run installs it and includes this test"]
fn two_play_through_one_that_sees_bytes() {
    let relay = relay(BY_PROXY_HEADER);
    let proxy = as_stream(&relay);
    two_play_by_their_own_addresses(|from| connect(from, proxy.address()));
}

#[test]
#[ignore = "needs nginx with its stream module: .ci/run installs it and includes this test"]
fn who_is_quiet_behind_one_that_sees_bytes_stays() {
    let relay = relay_that_pings(BY_PROXY_HEADER);
    let proxy = as_stream(&relay);
    a_quiet_player_stays(connect(ONE, proxy.address()));
}

#[test]
#[ignore = "needs nginx and openssl: .ci/run installs them and includes this test"]
fn two_play_through_one_that_reads_requests() {
    let (relay, certificate) = (relay(BY_FORWARDED_FOR), Certificate::new());
    let proxy = as_http(&relay, &certificate);
    two_play_by_their_own_addresses(|from| certificate.connect(from, proxy.address()));
}

#[test]
#[ignore = "needs nginx and openssl: .ci/run installs them and includes this test"]
fn who_is_quiet_behind_one_that_reads_requests_stays() {
    let (relay, certificate) = (relay_that_pings(BY_FORWARDED_FOR), Certificate::new());
    let proxy = as_http(&relay, &certificate);
    a_quiet_player_stays(certificate.connect(ONE, proxy.address()));
}
