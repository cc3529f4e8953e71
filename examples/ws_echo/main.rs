//! A WebSocket server that sends every message back: `cargo run --release --example ws_echo -- 127.0.0.1:9001`.

mod echo;

use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: ws_echo ADDRESS:PORT");
        return ExitCode::from(2);
    };
    let served = TcpListener::bind(&address).and_then(|listener| {
        println!("serving on {}", listener.local_addr()?);
        echo::serve(&listener)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}
