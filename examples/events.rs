//! A program that keeps books of the rooms of its relay, from the relay's room events.
//!
//! `cargo run --example events`

use std::collections::BTreeMap;
use std::error::Error;
use std::net::TcpStream;
use std::thread;

use serde_json::json;
use signal_fish_relay::config::Config;
use signal_fish_relay::{RoomNews, Server};
use tungstenite::Message;

/// Starts a relay, plays, and reads its books.
pub fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config {
        port: 0, // the system chooses one
        ..Config::default()
    };
    config.runtime.shards = 1;
    let relay = Server::builder().config(config).room_events(1_000).start()?;
    let mut events = relay
        .room_events()
        .expect("room was asked for, and nobody took them yet");
    let address = relay.addresses().players;

    // A player that makes a room and goes away.
    let stream = TcpStream::connect(address)?;
    let (mut socket, _) = tungstenite::client(format!("ws://{address}/v2/ws"), stream)?;
    let join = json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}});
    socket.send(Message::text(join.to_string()))?;
    socket.send(Message::text(json!({"type": "LeaveRoom"}).to_string()))?;

    // The books: who sits in which room, and which number is next. A gap would be an event that was lost.
    let books = thread::spawn(move || {
        let mut rooms = BTreeMap::new();
        while let Some(event) = events.wait() {
            let (expected, seats) = rooms.entry(event.room.id).or_insert_with(|| (1, BTreeMap::new()));
            assert_eq!(event.number, *expected, "nothing was lost");
            *expected += 1;
            match &event.what {
                RoomNews::Joined { player, name } => {
                    seats.insert(*player, name.clone());
                }
                RoomNews::Left { player, .. } => {
                    seats.remove(player);
                }
                _ => {}
            }
            println!(
                "{} {}: {:?}; {} sit there",
                event.number,
                event.room.code,
                event.what,
                seats.len()
            );
        }
        rooms.len()
    });
    while !matches!(socket.read()?, Message::Text(text) if text.contains("RoomLeft")) {}
    drop(socket);

    // What happened before the end is told before it.
    relay.shutdown().wait();
    let rooms = books.join().expect("it does not panic");
    println!("{rooms} room in the books");
    assert_eq!(rooms, 1);
    Ok(())
}
