//! Resident memory comes back after thousands have left: what a busy hour took is the system's again within 30 s.
//!
//! The server runs in a process of its own, so that nothing but the server is measured.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::process::{Program, ServerProcess};
use crate::support::wire::{TEXT, UPGRADE, frame};
use crate::support::{DEADLINE, descriptors};

/// How many come and go.
const CONNECTIONS: usize = 3_000;

/// What each leaves with the server: a message that never comes to its end.
const UNFINISHED_BYTES: usize = 60_000;

/// How long the memory may take to come back.
const RETURN_TIME: Duration = Duration::from_secs(30);

/// What may stay: tables and pools that have grown, of two shards.
const MAY_STAY_BYTES: u64 = 24 << 20;

fn resident_bytes(server: &ServerProcess) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("our child's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .expect("a resident size");
    kib.parse::<u64>().expect("a number") * 1024
}

/// Waits until `holds` says so; the figure that it last saw is returned with whether it came to that.
fn watch(server: &ServerProcess, time: Duration, holds: impl Fn(u64) -> bool) -> (u64, bool) {
    let deadline = Instant::now() + time;
    loop {
        let bytes = resident_bytes(server);
        if holds(bytes) || Instant::now() >= deadline {
            return (bytes, holds(bytes));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("a timeout above zero");
    stream.write_all(UPGRADE.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

#[test]
fn resident_memory_comes_back_after_thousands_have_left() {
    descriptors::allow(2 * CONNECTIONS as u64);
    let server = Program::new(&["--port", "0", "--shards", "2"]).serve();
    let message = frame(TEXT, &vec![b' '; UNFINISHED_BYTES + 1]);
    // Each is in a room and has said something, so that the rest of what a connection holds comes and goes as well.
    let join = |number: usize| {
        let code = number / 2;
        format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"game{}","player_name":"P{number}","room_code":"{code:06}"}}}}"#,
            number % 8
        )
    };
    let before = resident_bytes(&server);
    let players: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|number| {
            let mut stream = connect(server.address());
            stream
                .write_all(&frame(TEXT, join(number).as_bytes()))
                .expect("the server reads");
            stream
                .write_all(&message[..UNFINISHED_BYTES])
                .expect("the server reads");
            stream
        })
        .collect();
    let held = (CONNECTIONS * UNFINISHED_BYTES) as u64;
    let (full, filled) = watch(&server, DEADLINE, |bytes| bytes > before + held * 3 / 4);
    assert!(filled, "the server holds what was sent: {full} bytes, {before} before");

    let began = Instant::now();
    drop(players);
    let (after, returned) = watch(&server, RETURN_TIME, |bytes| bytes < before + MAY_STAY_BYTES);
    println!(
        "resident: {} MiB before, {} MiB full, {} MiB {:.1} s after {CONNECTIONS} have left",
        before >> 20,
        full >> 20,
        after >> 20,
        began.elapsed().as_secs_f64()
    );
    assert!(returned, "{after} bytes are still resident, {before} were before");
}
