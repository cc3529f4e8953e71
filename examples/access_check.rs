//! A relay within a program that says itself who may play: `cargo run --example access_check`.
//!
//! Tickets are a word that the program knows. Whoever shows one gets the name that belongs to it, and whoever makes a room gets
//! a small one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use signal_fish_relay::config::Config;
use signal_fish_relay::{
    AccessAnswer, AccessCheck, AccessQuestion, CheckFuture, Grant, ServeError, Server, ServerHandle, Verdict, Wish,
};

/// What the program knows of its players.
#[derive(Debug)]
struct Tickets;

impl AccessCheck for Tickets {
    fn check<'a>(&'a self, question: &'a AccessQuestion) -> CheckFuture<'a> {
        // A real one would ask a database here, and wait for it.
        Box::pin(async move { Ok(judge(question)) })
    }
}

fn judge(question: &AccessQuestion) -> AccessAnswer {
    let verdict = match &question.wish {
        Wish::Handshake { connect_token, .. } => match connect_token.as_ref().map(|token| token.expose()) {
            Some("ticket-7") => Verdict::Allowed(Grant {
                user: Some("u-7".into()),
                display_name: Some("Mira".into()),
                max_players_per_room: Some(4),
                ..Grant::default()
            }),
            _ => Verdict::Denied("buy a ticket".into()),
        },
        _ => Verdict::Allowed(Grant::default()),
    };
    AccessAnswer {
        verdict,
        valid_for: Duration::from_secs(60),
    }
}

/// Starts the relay at a port of this machine; 0 lets the system choose one.
pub fn start(port: u16) -> Result<ServerHandle, ServeError> {
    let config = Config {
        port,
        ..Config::default()
    };
    Server::builder().config(config).access_check(Arc::new(Tickets)).start()
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = start(3536)?;
    println!("players connect to {}", server.addresses().players);
    server.wait();
    Ok(())
}
