//! Caddy with `deploy/Caddyfile`, without its TLS: it would fetch a certificate from elsewhere.

use super::proxy::{Proxy, deployed, free_port};
use super::{BY_FORWARDED_FOR, NAME, connect, relay, two_play_by_their_own_addresses};

#[test]
#[ignore = "needs caddy: .ci/run installs it and includes this test"]
fn two_play_through_caddy() {
    let relay = relay(BY_FORWARDED_FOR);
    let port = free_port();
    let (site, behind) = (format!("http://{NAME}:{port}"), relay.address().to_string());
    let changes = [(NAME, site.as_str()), ("127.0.0.1:3537", behind.as_str())];
    let file = deployed("Caddyfile", &changes);
    let proxy = Proxy::caddy(&format!("{{\n\tadmin off\n}}\n{file}"), port);
    two_play_by_their_own_addresses(|from| connect(from, proxy.address()));
}
