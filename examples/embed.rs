//! A relay inside a program that runs on tokio: started, watched, told to close a room, and drained.
//!
//! `cargo run --example embed`

use std::error::Error;
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use signal_fish_relay::config::Config;
use signal_fish_relay::{Outcome, RoomId, Server};
use tokio::task::spawn_blocking;
use tungstenite::{Message, WebSocket};

type Failure = Box<dyn Error + Send + Sync>;

/// Starts a relay, asks it, and ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Failure> {
    let mut config = Config {
        port: 0, // the system chooses one
        ..Config::default()
    };
    config.runtime.shards = 1;
    // Starting blocks for some tens of milliseconds; everything after it can be awaited.
    let relay = spawn_blocking(|| Server::builder().config(config).start()).await??;
    let address = relay.addresses().players;
    println!("players connect to ws://{address}/v2/ws");

    let (mut socket, room) = spawn_blocking(move || enter(address)).await??;
    for room in relay.rooms().await?.rooms {
        println!("{} plays {} with {} players", room.code, room.game_name, room.players);
    }
    assert!(relay.close_room(room).await?, "it was there");
    let code = spawn_blocking(move || wait_for_close(&mut socket)).await??;
    println!("the room was closed, and its player with {code:?}");

    let outcome = relay.drain().await;
    println!("{outcome}");
    assert_eq!(outcome, Outcome::Stopped);
    Ok(())
}

/// A player that makes a room.
fn enter(address: SocketAddr) -> Result<(WebSocket<TcpStream>, RoomId), Failure> {
    let stream = TcpStream::connect(address)?;
    let (mut socket, _) = tungstenite::client(format!("ws://{address}/v2/ws"), stream)?;
    let join = json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}});
    socket.send(Message::text(join.to_string()))?;
    loop {
        let message: Value = serde_json::from_str(socket.read()?.to_text()?)?;
        if message["type"] == "RoomJoined" {
            let room = serde_json::from_value(message["data"]["room_id"].clone())?;
            return Ok((socket, room));
        }
    }
}

fn wait_for_close(socket: &mut WebSocket<TcpStream>) -> Result<Option<u16>, Failure> {
    loop {
        if let Message::Close(frame) = socket.read()? {
            return Ok(frame.map(|frame| frame.code.into()));
        }
    }
}
