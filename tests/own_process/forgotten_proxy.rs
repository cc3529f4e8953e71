//! A server that only this machine should reach says so in its log when others come in through a proxy.

use crate::support::process::Program;
use crate::support::wire::Wire;

const REFUSED: &str = "A REQUEST FOR ANOTHER HOST THAN THIS MACHINE WAS REFUSED";
const PROXY: &str = "A PROXY ON THIS MACHINE LETS OTHERS IN";

#[test]
fn whoever_comes_through_a_proxy_is_told_of() {
    let server = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN", "sixteen characters")
        .serve();
    let ask = |fields: &str| {
        let mut wire = Wire::connect(server.address());
        wire.send(format!("GET /v2/client-config HTTP/1.1\r\n{fields}\r\n").as_bytes());
        wire.head()
    };
    for (fields, status, message) in [
        ("Host: relay.example\r\n", "403", REFUSED),
        ("Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n", "200", PROXY),
    ] {
        let head = ask(fields);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        let line = server.wait_for_log(message);
        assert_eq!(line["level"], "WARN");
        assert_eq!(
            line["fields"]["undecided"], "security.allowed_apps, security.cors_origins",
            "{line}"
        );
    }
}
