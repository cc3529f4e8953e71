//! A server in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::RoomCode;
use signal_fish_relay::runtime::supervisor::Outcome;
use signal_fish_relay::server::{ReloadError, Reloaded, ServerHandle};
use signal_fish_relay::shard::refusals::RefusalReason;
use signal_fish_relay::shard::{Counter, CounterSet, ShardId, World};

/// A server that is stopped at the end of its scope.
pub struct Server {
    address: SocketAddr,
    world: Arc<World>,
    running: Option<ServerHandle>,
    config: Config,
}

impl Server {
    /// Starts a server of `shards` shards with the default configuration but for its port and a drain without patience.
    pub fn start(shards: usize) -> Self {
        Self::with(shards, |_| {})
    }

    /// Starts a server whose configuration `change` has changed.
    pub fn with(shards: usize, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            port: 0,
            ..Config::default()
        };
        config.runtime.shards = shards;
        config.server.drain_grace_secs = 0;
        change(&mut config);
        let starting = signal_fish_relay::server::Server::builder().config(config.clone());
        let running = starting.start().expect("the server starts");
        Self {
            address: running.addresses().players,
            world: Arc::clone(running.world()),
            running: Some(running),
            config,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where players connect.
    pub fn url(&self) -> String {
        format!("ws://{}/v2/ws", self.address)
    }

    /// What its shards share.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The shard where a room lives.
    pub fn home_of(&self, game: &str, code: &str) -> ShardId {
        let code = RoomCode::parse(code, code.len()).expect("a well-formed code");
        self.world.slots.owner(self.world.slot_key.slot_of(game, &code))
    }

    /// The sum of one counter over all shards.
    pub fn count(&self, counter: impl Fn(&CounterSet) -> &Counter) -> u64 {
        (0..self.world.shards())
            .map(|number| counter(self.world.counters(ShardId(number))).get())
            .sum()
    }

    /// How often somebody was refused something for this reason.
    pub fn refused(&self, reason: RefusalReason) -> u64 {
        self.world.refusals.count(reason)
    }

    /// How often anybody was refused anything.
    pub fn refused_in_all(&self) -> u64 {
        self.world.refusals.total()
    }

    /// Where its door for operators is, if it has one.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.running.as_ref()?.addresses().control
    }

    /// What a program has of it.
    pub fn handle(&self) -> &ServerHandle {
        self.running.as_ref().expect("it runs")
    }

    /// Has it take over the configuration that it was started with, changed by `change`.
    pub fn reload(&self, change: impl FnOnce(&mut Config)) -> Result<Reloaded, ReloadError> {
        let mut fresh = self.config.clone();
        change(&mut fresh);
        let running = self.running.as_ref().expect("it has not stopped");
        running.reload(&fresh)
    }

    /// Begins to stop it, and does not wait.
    pub fn begin_stop(&self) {
        if let Some(running) = &self.running {
            drop(running.drain());
        }
    }

    /// Stops it and waits until it has stopped, in time and with every shard.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.drain());
            let outcome = running.wait();
            if !std::thread::panicking() {
                assert_eq!(outcome, Outcome::Stopped);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
