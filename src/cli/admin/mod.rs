//! `admin`: what the live page shows and does, for terminals and scripts.
//!
//! Promises that the token is shown to nobody but the server of this configuration: over TLS it must have one of the
//! configuration's certificates, in the clear it must be on this machine; and that nothing which players have chosen moves a
//! terminal's cursor.

mod request;
mod shown;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::request::{Fault, Server};
use super::exit::Exit;
use crate::config::Config;

/// How often `top` looks.
const PACE: Duration = Duration::from_secs(1);

/// Look inside a running server, or act on it
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AdminFlags {
    /// Where it is, as http://HOST:PORT or https://HOST:PORT; without it, the server of this configuration on this machine
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Read the token from this file, in place of control.admin_token and control.admin_token_path
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the server's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    wish: Wish,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Wish {
    /// List rooms, the busiest first
    Rooms {
        /// Only those with this in their code, game or application
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// Sort by messages, bytes, players, spectators, game, code, created, quiet or shard
        #[arg(long, value_name = "KEY", default_value = "messages")]
        sort: String,
        /// List so many at most, up to 200
        #[arg(long, value_name = "N", default_value_t = 50)]
        most: usize,
    },
    /// Show one room and everybody in it
    Room {
        /// Its code, or its id
        #[arg(value_name = "CODE")]
        room: String,
    },
    /// Remove a player or spectator from a room
    Kick {
        /// Its code, or its id
        #[arg(value_name = "CODE")]
        room: String,
        /// The id of the player, or the name if only one has it
        #[arg(value_name = "PLAYER")]
        player: String,
    },
    /// Close a room: its players are closed with 4005
    Close {
        /// Its code, or its id
        #[arg(value_name = "CODE")]
        room: String,
    },
    /// Take nobody new in; whoever is there goes on
    Drain,
    /// Take everybody in again
    Undrain,
    /// Log at this level until the next restart: error, warn, info, debug or trace
    LogLevel {
        #[arg(value_name = "LEVEL")]
        level: String,
    },
    /// Show shards and the busiest rooms, once a second
    Top {
        /// Look so often, then end; 0: until it is interrupted
        #[arg(short, long, value_name = "N", default_value_t = 0)]
        count: u64,
    },
}

/// A wish, and where it goes.
#[derive(Debug)]
pub struct Errand {
    server: Server,
    is_json: bool,
    wish: Wish,
}

impl Errand {
    /// What the flags ask for, of the server of this configuration unless they name another.
    ///
    /// # Errors
    ///
    /// When there is no such server, or the token cannot be had or must not be shown to it.
    pub(super) fn of(flags: AdminFlags, config: &Config) -> Result<Self, String> {
        let AdminFlags {
            url,
            token_file,
            json,
            wish,
        } = flags;
        Ok(Self {
            server: Server::of(url.as_deref(), token_file.as_deref(), config)?,
            is_json: json,
            wish,
        })
    }

    /// Does it. 0: it was done or shown; 1: it was not.
    #[must_use]
    pub fn run(&self) -> Exit {
        match self.try_run() {
            Ok(text) => Exit::shown(text),
            Err(fault) => Exit::invalid(fault),
        }
    }

    fn try_run(&self) -> Result<String, Fault> {
        let server = &self.server;
        match &self.wish {
            Wish::Rooms { search, sort, most } => {
                let most = most.to_string();
                let page = server.rooms(&[("search", search), ("sort", sort), ("per_page", &most)])?;
                Ok(self.text(&page, shown::rooms))
            }
            Wish::Room { room } => {
                let room = server.room(&self.find(room)?)?;
                Ok(self.text(&room, shown::room))
            }
            Wish::Kick { room, player } => {
                let id = self.find(room)?;
                let player = who(&server.room(&id)?, player)?;
                server.post(&format!("/rooms/{id}/kick"), &json!({ "id": player }))?;
                Ok(format!("{player} was removed\n"))
            }
            Wish::Close { room } => {
                let id = self.find(room)?;
                server.post(&format!("/rooms/{id}/close"), &json!({}))?;
                Ok(format!("the room {id} was closed\n"))
            }
            Wish::Drain => {
                server.post("/drain", &json!({}))?;
                Ok("nobody new is taken in\n".to_owned())
            }
            Wish::Undrain => {
                server.post("/undrain", &json!({}))?;
                Ok("everybody is taken in again\n".to_owned())
            }
            Wish::LogLevel { level } => {
                server.post("/log-level", &json!({ "level": level }))?;
                Ok(format!("the log is at {level}\n"))
            }
            Wish::Top { count } => self.top(*count),
        }
    }

    fn text(&self, answer: &Value, show: fn(&Value) -> String) -> String {
        if self.is_json {
            format!("{answer}\n")
        } else {
            show(answer)
        }
    }

    /// Looks again and again. What was seen is printed at once; the last is returned.
    fn top(&self, count: u64) -> Result<String, Fault> {
        let mut looks = 0;
        loop {
            let overview = self.server.get("/overview")?;
            let rooms = self.server.rooms(&[("per_page", "10")])?;
            let both = json!({ "overview": overview, "rooms": rooms });
            let text = self.text(&both, shown::top);
            looks += 1;
            if looks == count {
                return Ok(text);
            }
            let mut out = io::stdout();
            if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(String::new()); // nobody reads it any more
            }
            thread::sleep(PACE);
        }
    }

    /// The id of the room that is meant: by its id, or by its code if only one has it.
    fn find(&self, room: &str) -> Result<String, Fault> {
        if uuid::Uuid::try_parse(room).is_ok() {
            return Ok(room.to_owned());
        }
        let found = self.server.rooms(&[("code", room)])?;
        let rooms = found["rooms"].as_array().map_or(&[][..], Vec::as_slice);
        match rooms {
            [one] => Ok(shown::plain(&one["id"])),
            [] => Err(Fault::Said(format!("no room has the code {room:?}"))),
            several => {
                let list = several.iter().map(|room| {
                    let (id, game) = (shown::plain(&room["id"]), shown::plain(&room["game_name"]));
                    format!("{id} of {game}")
                });
                let list: Vec<_> = list.collect();
                Err(Fault::Said(format!(
                    "several rooms have the code {room:?}; name one by its id: {}",
                    list.join(", ")
                )))
            }
        }
    }
}

/// The id of the player or spectator who is meant.
fn who(room: &Value, wanted: &str) -> Result<String, Fault> {
    if uuid::Uuid::try_parse(wanted).is_ok() {
        return Ok(wanted.to_owned());
    }
    let lists = [&room["members"], &room["watching"]["shown"]];
    let everybody = lists.into_iter().filter_map(Value::as_array).flatten();
    let mut named = everybody.filter(|member| member["name"] == wanted);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(shown::plain(&one["id"])),
        (None, _) => Err(Fault::Said(format!("nobody in the room has the name {wanted:?}"))),
        (Some(_), Some(_)) => Err(Fault::Said(format!(
            "several in the room have the name {wanted:?}; name one by the id"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_meant_by_an_id_or_by_a_name_of_one() {
        let room = json!({
            "members": [{"id": "m1", "name": "Mira"}, {"id": "o1", "name": "Otto"}],
            "watching": {"shown": [{"id": "o2", "name": "Otto"}, {"id": "w1", "name": "Wanda"}]},
        });
        assert_eq!(who(&room, "Mira").expect("one"), "m1");
        assert_eq!(who(&room, "Wanda").expect("one"), "w1");
        assert!(who(&room, "Otto").expect_err("two").to_string().contains("several"));
        assert!(who(&room, "Nobody").is_err());
        let id = "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11";
        assert_eq!(who(&room, id).expect("an id"), id);
    }
}
