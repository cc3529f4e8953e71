//! What is wrong with an address is said at once and in words that say what to do; and what can be known of a server that
//! answers is found without being asked for.

mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use program::{Yardstick, execute, given_time};

const COMMANDS: [&[&str]; 4] = [
    &[
        "run",
        "--rooms",
        "1",
        "--players",
        "2",
        "--seconds",
        "0.2",
        "--warmup-seconds",
        "0",
    ],
    &["search", "--rooms", "1", "--players", "2", "--seconds", "0.2"],
    &["storm", "--parties", "1", "--cycles", "1"],
    &["idle", "--connections", "2", "--players", "2"],
];

/// Everything a server says to whoever connects, which is then closed.
fn serve(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn a_port_where_nobody_listens_is_told_by_every_command() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    drop(listener);
    let url = format!("ws://{address}/v2/ws");
    for command in COMMANDS {
        let (output, _) = execute(&[command, &["--url", &url]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        let wanted = format!("nothing answers at {address}: is the server running?");
        assert!(said.contains(&wanted), "{command:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{command:?}: {said}");
    }
}

#[test]
fn what_answers_but_is_no_such_server_is_named() {
    for (answer, wanted) in [
        (
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..],
            "404 Not Found: there is no WebSocket at this path",
        ),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n",
            "give the address that it names",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "wss://"),
        (b"SSH-2.0-OpenSSH\r\n", "no web server"),
        (b"", "without an answer"),
    ] {
        let url = format!("ws://{}/v2/ws", serve(answer));
        let (output, _) = execute(&[COMMANDS[0], &["--url", &url]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn the_counters_of_a_server_on_this_machine_are_found_and_can_be_left_alone() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let run = |longer: f64, more: &[&str]| {
        let (url, seconds) = (yardstick.url(), (0.2 * longer).to_string());
        let load = "run --rooms 1 --players 2 --warmup-seconds 0 --seconds";
        let load: Vec<&str> = load.split(' ').chain([seconds.as_str(), "--url", &url]).collect();
        let (output, report) = execute(&[&load[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        report["traffic"]["server_sends_per_delivery"].as_f64()
    };
    assert_eq!(run(1.0, &["--server-counters", "none"]), None);
    let page = format!("http://{}/metrics/prom", yardstick.address);
    for more in [&[][..], &["--server-counters", &page]] {
        given_time(|longer| match run(longer, more) {
            Some(sends) if sends > 0.0 => Ok(()),
            sends => Err(format!("{more:?}: {sends:?} sends per delivery")),
        });
    }

    let missing = format!("http://{}/nowhere", yardstick.address);
    let (output, _) = execute(&[COMMANDS[0], &["--url", &yardstick.url(), "--server-counters", &missing]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("404"), "{output:?}");
    yardstick.stop();
}

#[test]
fn a_page_that_could_not_be_written_is_told_before_the_test() {
    let (output, _) = execute(&["run", "--url", "ws://127.0.0.1:1/", "--html", "/nonexistent/page.html"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--html /nonexistent/page.html: name a file in a directory that exists"),
        "{said}"
    );
}
