//! A shard that stands still is named by `/readyz`, which others wait for no longer than its deadline, and is ready again
//! when it goes on. A control plane that stands still while the shards end answers whoever had asked.
//!
//! Played in a child: a thread is held in a signal handler, which is the whole process's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use serde_json::json;

use crate::child;
use crate::support::DEADLINE;
use crate::support::player::Player;
use crate::support::server::Server;

/// What holds a thread reads from.
static HOLD: AtomicI32 = AtomicI32::new(-1);

extern "C" fn hold(_: libc::c_int) {
    let mut byte = 0_u8;
    // SAFETY: reading is allowed in a signal handler, and the byte is on this frame.
    unsafe { libc::read(HOLD.load(Ordering::Relaxed), (&raw mut byte).cast(), 1) };
}

/// The thread of this name, if there is one.
fn thread(name: &str) -> Option<libc::c_int> {
    let mut tasks = fs::read_dir("/proc/self/task").expect("this process").flatten();
    let task = tasks.find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name))?;
    task.file_name().to_str().and_then(|task| task.parse().ok())
}

/// A thread that stands still until this is dropped.
struct Held(fs::File);

impl Held {
    fn thread(name: &str) -> Self {
        let task = thread(name).expect("a thread of this name");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        HOLD.store(OwnedFd::from(reader).into_raw(), Ordering::Relaxed);
        // SAFETY: the handler only reads, and stays as long as the process.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = hold as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()),
                0
            );
            let sent = libc::syscall(libc::SYS_tgkill, libc::getpid(), task, libc::SIGUSR1);
            assert_eq!(sent, 0);
        }
        Self(OwnedFd::from(writer).into())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.write_all(b"!").expect("the thread reads");
    }
}

/// Leaves a descriptor open for ever.
trait IntoRaw {
    fn into_raw(self) -> libc::c_int;
}

impl IntoRaw for OwnedFd {
    fn into_raw(self) -> libc::c_int {
        let raw = self.as_raw_fd();
        std::mem::forget(self);
        raw
    }
}

const READYZ: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks on a connection that the control plane keeps, whichever shard stands still.
fn readiness(stream: &mut TcpStream) -> String {
    stream.write_all(READYZ).expect("the server reads");
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let mut byte = [0];
    while !answer.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0].into());
    }
    let length = answer
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    answer + std::str::from_utf8(&body).expect("text")
}

#[test]
fn a_shard_that_stands_still_is_named() {
    child::play("stalled_shard::a_shard_that_stands_still_is_named", || {
        let server = Server::start(2);
        let mut stream = TcpStream::connect_timeout(&server.address(), DEADLINE).expect("the server accepts");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        assert!(readiness(&mut stream).starts_with("HTTP/1.1 200 "));
        let held = Held::thread("shard-1");
        let stalled = loop {
            // What was found a quarter of a second ago may still hold.
            let answer = readiness(&mut stream);
            if !answer.starts_with("HTTP/1.1 200 ") {
                break answer;
            }
        };
        assert!(stalled.starts_with("HTTP/1.1 503 "), "{stalled}");
        assert!(stalled.ends_with("no sign of life from shard 1\n"), "{stalled}");
        drop(held);
        while !readiness(&mut stream).starts_with("HTTP/1.1 200 ") {}
    });
}

#[test]
fn a_shard_that_stands_still_holds_up_nobody_who_looks_at_rooms_of_others() {
    child::play(
        "stalled_shard::a_shard_that_stands_still_holds_up_nobody_who_looks_at_rooms_of_others",
        || {
            let server = Server::start(2);
            let mut rooms = [Vec::new(), Vec::new()];
            let _players: Vec<_> = (0..32)
                .map(|number| {
                    let code = format!("ROOM{}{}", number / 8 + 2, number % 8 + 2);
                    let mut player = Player::authenticated(&server);
                    player.send(&json!({"type": "JoinRoom", "data":
                        {"game_name": "reef", "player_name": "Mira", "room_code": code}}));
                    let room = player.wait_for("RoomJoined");
                    let id = room["room_id"].as_str().expect("an id").to_owned();
                    rooms[server.home_of("reef", &code).index()].push(id);
                    player
                })
                .collect();
            // Kept by the control plane, so that no shard has to accept them.
            let mut pages: Vec<_> = (0..6)
                .map(|_| {
                    let mut stream =
                        TcpStream::connect_timeout(&server.address(), DEADLINE).expect("the server accepts");
                    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
                    assert!(readiness(&mut stream).starts_with("HTTP/1.1 200 "));
                    stream
                })
                .collect();
            let held = Held::thread("shard-1");
            let mut quick = pages.pop().expect("a page");
            let looks = |stream: &mut TcpStream, room: &str| {
                let asked = format!("GET /admin/api/rooms/{room} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                stream.write_all(asked.as_bytes()).expect("the server reads");
            };
            for (page, room) in pages.iter_mut().zip(&rooms[1]) {
                looks(page, room);
            }
            looks(&mut quick, &rooms[0][0]);
            assert!(answer(&mut quick).starts_with("HTTP/1.1 200 "));
            let last = pages.last_mut().expect("a page");
            last.set_nonblocking(true).expect("an option of every socket");
            assert!(last.peek(&mut [0]).is_err(), "it was asked before, and still waits");
            last.set_nonblocking(false).expect("an option of every socket");
            for page in &mut pages {
                assert!(answer(page).starts_with("HTTP/1.1 503 "));
            }
            drop(held);
        },
    );
}

#[test]
fn whoever_has_asked_when_the_shards_end_is_answered() {
    child::play(
        "stalled_shard::whoever_has_asked_when_the_shards_end_is_answered",
        || {
            let server = Server::start(2);
            let mut stream = TcpStream::connect_timeout(&server.address(), DEADLINE).expect("the server accepts");
            stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
            assert!(readiness(&mut stream).starts_with("HTTP/1.1 200 "));
            let held = Held::thread("control");
            stream.write_all(READYZ).expect("the server reads");
            let stopping = std::thread::spawn(|| server.stop());
            while ["shard-0", "shard-1"].iter().any(|shard| thread(shard).is_some()) {
                std::thread::yield_now();
            }
            drop(held);
            assert!(answer(&mut stream).starts_with("HTTP/1.1 503 "));
            stopping.join().expect("it stops");
        },
    );
}
