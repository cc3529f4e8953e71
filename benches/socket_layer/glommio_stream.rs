//! Candidate A: one glommio `TcpStream` and one task per connection, one flush per turn of the executor.

use std::cell::RefCell;
use std::future::poll_fn;
use std::os::fd::FromRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_lite::AsyncRead;
use glommio::net::TcpStream;

use crate::relay::{Relay, TICK_MS};

struct Shard {
    relay: Relay<'static>,
    scratch: Vec<u8>,
    flusher: Option<Waker>,
}

async fn read_loop(shard: Rc<RefCell<Shard>>, index: usize, mut stream: TcpStream) {
    loop {
        let open = poll_fn(|cx| {
            let mut shard = shard.borrow_mut();
            let Shard {
                relay,
                scratch,
                flusher,
            } = &mut *shard;
            match Pin::new(&mut stream).poll_read(cx, scratch) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    relay.counters.entered_kernel(1);
                    relay.receive(index, &scratch[..bytes]);
                    if relay.is_dirty()
                        && let Some(waker) = flusher.take()
                    {
                        waker.wake();
                    }
                    Poll::Ready(true)
                }
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        });
        if !open.await {
            return;
        }
    }
}

/// Queued behind every reader that is already runnable, so it runs once their turn is over.
async fn flush_loop(shard: Rc<RefCell<Shard>>) {
    poll_fn(|cx| {
        let mut shard = shard.borrow_mut();
        shard.relay.flush();
        shard.flusher = Some(cx.waker().clone());
        Poll::<()>::Pending
    })
    .await;
}

pub(crate) async fn serve(relay: Relay<'static>) {
    let counters = relay.counters;
    let fds: Vec<_> = (0..relay.len()).map(|index| relay.fd(index)).collect();
    let shard = Rc::new(RefCell::new(Shard {
        relay,
        scratch: vec![0; 64 << 10],
        flusher: None,
    }));
    let mut tasks = vec![glommio::spawn_local(flush_loop(Rc::clone(&shard)))];
    for (index, fd) in fds.into_iter().enumerate() {
        // SAFETY: the runner hands each descriptor over to the candidate, which closes it; `Relay` only sends on it, and not
        // after its task is gone.
        let stream = unsafe { TcpStream::from_raw_fd(fd) };
        tasks.push(glommio::spawn_local(read_loop(Rc::clone(&shard), index, stream)));
    }
    while !counters.stopping() {
        glommio::timer::sleep(Duration::from_millis(TICK_MS)).await;
    }
    for task in tasks {
        task.cancel().await;
    }
}
