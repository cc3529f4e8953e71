//! A shard of a whole server that ends on its own takes the process with it: the others do not go on without it, every client
//! sees the end of its connection, and the exit code is not 0. (`shard_death` has the same for shards that panic.)
//!
//! The scenario runs in a child, whose shards lose the epoll sets that they wait in; nothing in the server helps with that.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::process::{self, Stdio};

use signal_fish_relay::config::Config;
use signal_fish_relay::runtime::install_panic_hook;
use signal_fish_relay::server::Server;

use crate::child;
use crate::support::player::{Player, Received};

const TEST: &str = "shard_failure::a_shard_that_cannot_wait_for_its_sockets_ends_the_process";

/// The file descriptors of this process that are epoll sets.
fn epoll_sets() -> Vec<i32> {
    let descriptors = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    descriptors
        .filter_map(Result::ok)
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|kind| kind.as_os_str() == "anon_inode:[eventpoll]"))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The main of a server: start, tell the address, break on demand, and end as the outcome says.
fn live() -> ! {
    install_panic_hook();
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 2;
    let before = epoll_sets();
    let running = Server::builder().config(config).start().expect("the server starts");
    let sets: Vec<i32> = epoll_sets().into_iter().filter(|set| !before.contains(set)).collect();
    // The control plane's are older.
    let [.., broken] = sets[..] else {
        panic!("one for each shard")
    };
    println!("\nlistening on {}", running.addresses().players);
    std::io::stdin()
        .read_line(&mut String::new())
        .expect("the parent writes");

    let nothing = fs::File::open("/dev/null").expect("it is always there");
    // SAFETY: both descriptors are open; the epoll set is replaced by a file that cannot be waited in, which its owner
    // closes like the set itself.
    assert_eq!(unsafe { libc::dup2(nothing.as_raw_fd(), broken) }, broken);
    let outcome = running.wait();
    eprintln!("{outcome}");
    process::exit(outcome.exit_code().into());
}

#[test]
fn a_shard_that_cannot_wait_for_its_sockets_ends_the_process() {
    if child::is_child() {
        live();
    }
    let mut child = child::command(TEST)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the child runs");
    let stdout = child.stdout.take().expect("it is piped");
    let address = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on ")?.parse().ok())
        .expect("the child tells its address");

    // Enough players that both shards have some.
    let mut players: Vec<Player> = (0..16).map(|_| Player::connect_to(address)).collect();
    assert!(players.iter_mut().all(Player::is_served));
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"break\n").expect("the child reads");
    for player in &mut players {
        assert_eq!(player.receive(), Received::End);
    }
    let output = child.wait_with_output().expect("our child");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ended without being told to stop"), "{text}");
}
