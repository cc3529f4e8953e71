//! A kernel without sockets: a connection is a number, what it reads is given by the bench, what it sends is counted.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use signal_fish_relay::net::{Interest, Kernel, Readiness, Received, Stream, Token, Waited};
use signal_fish_relay::protocol::WallTime;
use signal_fish_relay::shard::{Now, SendOutcome};

/// What all of them share.
#[derive(Debug, Default)]
pub struct Wires {
    /// What whoever is read next gets.
    pub arriving: RefCell<Vec<u8>>,
    /// Who is ready, as the last wait found it.
    pub ready: Cell<Option<Token>>,
    /// Under which token each connection is watched.
    pub watched: RefCell<Vec<Token>>,
    /// Sends so far.
    pub sends: Cell<u64>,
    /// Milliseconds of the clock.
    pub mono_ms: Cell<u64>,
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    pub number: usize,
    pub wires: Rc<Wires>,
}

impl Stream for Wire {
    fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut arriving = self.wires.arriving.borrow_mut();
        let count = arriving.len();
        buffer[..count].copy_from_slice(&arriving);
        arriving.clear();
        Received::Bytes(count)
    }

    fn send(&self, bytes: &[u8]) -> SendOutcome {
        self.wires.sends.set(self.wires.sends.get() + 1);
        SendOutcome::Sent(bytes.len())
    }

    fn finish_sending(&self) {}

    fn unacknowledged_bytes(&self) -> Option<u64> {
        None
    }
}

/// The system under the one shard.
#[derive(Debug)]
pub struct Wiring(pub Rc<Wires>);

impl Kernel for Wiring {
    type Socket = Wire;

    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&mut self, _: Duration) -> Now {
        Now {
            mono_ms: self.0.mono_ms.get(),
            mono_us: self.0.mono_ms.get() * 1_000,
            wall: WallTime {
                unix_nanos: 1_795_397_463_000_000_000,
            },
        }
    }

    fn moment(&self) -> Duration {
        Duration::from_millis(self.0.mono_ms.get())
    }

    fn pause(&mut self, _: Duration) {}

    fn wait(&mut self, _: Duration) -> io::Result<Waited> {
        Ok(Waited {
            ready: usize::from(self.0.ready.get().is_some()),
            has_more: false,
        })
    }

    fn ready(&self, _: usize) -> Readiness {
        Readiness {
            token: self.0.ready.take().expect("one is ready"),
            readable: true,
            writable: false,
            hung_up: false,
        }
    }

    fn hush(&mut self) {}

    fn listeners(&self) -> u32 {
        0
    }

    fn accept(&mut self, _: u32) -> io::Result<Option<(Wire, SocketAddr)>> {
        Ok(None)
    }

    fn attend_listeners(&mut self, attend: bool) -> bool {
        attend
    }

    fn close_listeners(&mut self) {}

    fn watch(&mut self, socket: &Wire, token: Token, _: Interest) -> io::Result<()> {
        let mut watched = self.0.watched.borrow_mut();
        if watched.len() <= socket.number {
            watched.resize(socket.number + 1, Token::Wakeup);
        }
        watched[socket.number] = token;
        Ok(())
    }

    fn rewatch(&mut self, socket: &Wire, token: Token, interest: Interest) -> io::Result<()> {
        self.watch(socket, token, interest)
    }

    fn forget(&mut self, _: &Wire) -> io::Result<()> {
        Ok(())
    }
}
