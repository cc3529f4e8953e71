//! The kernel's sockets under a shard's loop: its epoll set, its listeners, its clock.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, thread_cpu_time};
use super::kernel::{Interest, Kernel, Readiness, Token, Waited};
use super::listener::Listener;
use super::poller::{Poller, Wakeup};
use super::socket::Socket;
use crate::shard::Now;

/// The system of one shard.
#[derive(Debug)]
pub struct System {
    poller: Poller,
    clock: Clock,
    listeners: Vec<Listener>,
    /// Whether the listeners are watched.
    attends: bool,
    /// The kernel's send buffer of each socket; `None`: its own choice.
    send_buffer_bytes: Option<usize>,
}

impl System {
    /// A system that watches its listeners and can be woken. Call it on the shard's own thread.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the epoll set.
    pub fn new(
        clock: Clock,
        listeners: Vec<Listener>,
        wakeup: Arc<Wakeup>,
        send_buffer_bytes: Option<usize>,
    ) -> io::Result<Self> {
        let poller = Poller::new(wakeup)?;
        for (number, listener) in listeners.iter().enumerate() {
            poller.watch_listener(listener.as_fd(), number as u32)?;
        }
        Ok(Self {
            poller,
            clock,
            listeners,
            attends: true,
            send_buffer_bytes,
        })
    }
}

impl Kernel for System {
    type Socket = Socket;

    fn moment(&self) -> Duration {
        self.clock.moment()
    }

    fn cpu_time(&self) -> Duration {
        thread_cpu_time()
    }

    fn now(&mut self, moment: Duration) -> Now {
        self.clock.now(moment)
    }

    fn pause(&mut self, span: Duration) {
        std::thread::sleep(span);
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Waited> {
        self.poller.wait(timeout)
    }

    fn ready(&self, index: usize) -> Readiness {
        self.poller.ready(index)
    }

    fn hush(&mut self) {
        self.poller.hush();
    }

    fn listeners(&self) -> u32 {
        self.listeners.len() as u32
    }

    fn accept(&mut self, listener: u32) -> io::Result<Option<(Socket, SocketAddr)>> {
        let Some(listener) = self.listeners.get(listener as usize) else {
            return Ok(None);
        };
        let accepted = Socket::accept(listener.as_fd())?;
        if let Some((socket, _)) = &accepted {
            socket.tune(self.send_buffer_bytes);
        }
        Ok(accepted)
    }

    fn attend_listeners(&mut self, attend: bool) -> bool {
        if attend && !self.attends {
            let watched = self
                .listeners
                .iter()
                .enumerate()
                .try_for_each(|(number, listener)| self.poller.watch_listener(listener.as_fd(), number as u32));
            self.attends = watched.is_ok();
        } else if !attend && self.attends {
            self.attends = false;
            for listener in &self.listeners {
                // It was watched; and if it is watched still, accepting is tried again at once and no more is lost.
                let _ = self.poller.forget(listener.as_fd());
            }
        }
        self.attends
    }

    fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    fn watch(&mut self, socket: &Socket, token: Token, interest: Interest) -> io::Result<()> {
        self.poller.watch(socket.as_fd(), token, interest)
    }

    fn rewatch(&mut self, socket: &Socket, token: Token, interest: Interest) -> io::Result<()> {
        self.poller.rewatch(socket.as_fd(), token, interest)
    }

    fn forget(&mut self, socket: &Socket) -> io::Result<()> {
        self.poller.forget(socket.as_fd())
    }
}
