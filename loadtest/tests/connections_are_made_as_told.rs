//! What a server sees of a connection before WebSocket: where it comes from, as whose proxy, and with which origin.

mod program;

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::process::{Output, Stdio};

use program::{execute, program};

/// The source address and the first words of a connection that the program makes, and how it ends when it is refused.
fn first_words(more: &[&str]) -> (IpAddr, String, Output) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    let url = format!("ws://{address}/v2/ws");
    let program = program(&["run", "--rooms", "1", "--players", "2", "--url", &url])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (mut stream, source) = listener.accept().expect("a connection");
    let mut said = Vec::new();
    let mut part = [0; 1024];
    while !said.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part).expect("a request");
        assert!(read > 0, "{:?}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&part[..read]);
    }
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect("an answer");
    drop(stream);
    let output = program.wait_with_output().expect("the program ends");
    let said = said.iter().map(|&byte| char::from(byte)).collect();
    (source.ip(), said, output)
}

#[test]
fn a_connection_comes_from_where_it_is_told_and_with_its_origin() {
    let (source, said, output) = first_words(&["--source", "127.0.0.77", "--origin", "https://games.example"]);
    assert_eq!(source.to_string(), "127.0.0.77");
    assert!(said.starts_with("GET /v2/ws HTTP/1.1\r\n"), "{said}");
    assert!(said.contains("\r\nOrigin: https://games.example\r\n"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--origin"),
        "{output:?}"
    );
}

#[test]
fn a_header_of_the_proxy_protocol_comes_before_everything_else() {
    let (_, said, _) = first_words(&["--proxy-protocol", "v1", "--client-network", "192.0.2.0/24"]);
    assert!(said.starts_with("PROXY TCP4 192.0.2.1 127.0.0.1 1024 "), "{said}");
    assert!(said.contains("\r\nGET /v2/ws HTTP/1.1\r\n"), "{said}");
    let (_, said, _) = first_words(&["--proxy-protocol", "v2"]);
    assert!(
        said.starts_with("\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}\u{a}\0\0\u{1}\u{7f}\0\0\u{1}"),
        "{said:?}"
    );
    let header = said.split_once("GET ").map(|(header, _)| header.chars().count());
    assert_eq!(header, Some(28), "{said:?}");
}

#[test]
fn what_cannot_be_is_refused_with_a_remedy() {
    for (arguments, remedy) in [
        (&["--source", "192.0.2.1"][..], "not an address of this machine"),
        (&["--source", "::1"], "IPv6"),
        (&["--origin", "two words"], "--origin"),
        (&["--ca", "ca.pem"], "not wss://"),
        (
            &[
                "--proxy-protocol",
                "v1",
                "--client-addresses",
                "9",
                "--client-network",
                "192.0.2.0/29",
            ],
            "1 to 6",
        ),
        (&["--client-addresses", "9"], "--proxy-protocol"),
    ] {
        let (output, _) = execute(&[&["run", "--url", "ws://127.0.0.1:1/"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(remedy), "{arguments:?}: {said}");
    }
}
