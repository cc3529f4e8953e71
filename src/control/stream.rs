//! A connection's bytes as the HTTP library sees them, whatever is spoken below HTTP.
//!
//! Owns a stream and what opens and seals its records. Promises that it can be taken apart at any moment at which nothing is
//! left unsent, so that a shard goes on with it, and that a peer is told of the end of its records, whoever ends them.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::net::tls::{Handshake, Progress, Records, Refusal};
use crate::net::{Channel, Socket};

/// How much of a handshake is read at once. Each that is under way holds so much beside what it keeps.
const HANDSHAKE_READ_BYTES: usize = 2 * 1024;

/// Room for a record and more.
const READ_BYTES: usize = 32 * 1024;

thread_local! {
    /// Where records are opened. One for all connections of the thread: nothing is left in it between two polls.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A stream, with records on it or without.
#[derive(Debug)]
pub(super) struct ClientStream {
    /// Is taken out only together with the whole stream.
    tcp: Option<TcpStream>,
    records: Option<Box<Records>>,
    /// Opened, and not yet read.
    opened: Bytes,
}

impl ClientStream {
    /// A stream on which nothing is spoken below HTTP.
    pub(super) const fn plain(tcp: TcpStream) -> Self {
        Self {
            tcp: Some(tcp),
            records: None,
            opened: Bytes::new(),
        }
    }

    /// The stream of a channel that came from a shard.
    pub(super) fn of(channel: Channel<Socket>) -> io::Result<Self> {
        let (socket, records) = channel.into_parts();
        let stream = std::net::TcpStream::from(OwnedFd::from(socket));
        Ok(Self {
            tcp: Some(TcpStream::from_std(stream)?),
            records,
            opened: Bytes::new(),
        })
    }

    /// Makes a handshake. What came behind it, opened, is read first.
    ///
    /// # Errors
    ///
    /// When the stream or the handshake failed. Why the handshake did is noted by `note` before the peer is told.
    pub(super) async fn greet(mut self, mut handshake: Handshake, note: impl FnOnce(&Refusal)) -> io::Result<Self> {
        let tcp = self.tcp();
        let mut received = vec![0; HANDSHAKE_READ_BYTES];
        loop {
            let count = tcp.read(&mut received).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut words = Vec::new();
            match handshake.read(&received[..count], &mut words) {
                Progress::Goes(next) => {
                    handshake = next;
                    tcp.write_all(&words).await?;
                }
                Progress::Done(secured) => {
                    tcp.write_all(&words).await?;
                    self.records = Some(secured.records);
                    self.opened = secured.early.into();
                    return Ok(self);
                }
                Progress::Refused(why) => {
                    note(&why);
                    tcp.write_all(&words).await?;
                    tcp.shutdown().await?;
                    return Err(refused(&why));
                }
            }
        }
    }

    /// The channel with which a shard goes on, and what was opened and not read.
    pub(super) fn into_channel(mut self) -> io::Result<(Channel<Socket>, Bytes)> {
        let tcp = self.tcp.take().expect("taken out only here");
        let socket = Socket::from(OwnedFd::from(tcp.into_std()?));
        let opened = std::mem::take(&mut self.opened);
        Ok((Channel::after_handshake(socket, self.records.take()), opened))
    }

    /// Sends a last answer past the library, which writes nothing before it has been told that the socket can take something,
    /// and waits for nothing.
    pub(super) fn send_at_once(mut self, answer: &[u8]) {
        let Some(records) = &mut self.records else {
            // A peer whose socket is full has not read and need not know.
            let _ = SockRef::from(&*self.tcp()).send(answer);
            return;
        };
        let mut sealed = std::mem::take(records.tail_mut());
        // What the key no longer seals is not sent; the end is.
        let _ = records.seal(answer, &mut sealed);
        *records.tail_mut() = sealed;
    }

    fn tcp(&mut self) -> &mut TcpStream {
        self.tcp.as_mut().expect("a stream that was not taken apart")
    }

    /// Sends what was sealed and not taken.
    fn poll_tail(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (Some(tcp), Some(records)) = (&mut self.tcp, &mut self.records) else {
            return Poll::Ready(Ok(()));
        };
        while !records.tail().is_empty() {
            let count = ready!(Pin::new(&mut *tcp).poll_write(cx, records.tail()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            records.tail_mut().drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientStream {
    /// Says that this is the end, past the library, to whoever is idle, made way, or was here when the process stopped. Waits
    /// for nothing: a peer whose socket is full has not read.
    fn drop(&mut self) {
        let (Some(tcp), Some(records)) = (&self.tcp, &mut self.records) else {
            return;
        };
        let mut last = std::mem::take(records.tail_mut());
        if !records.has_said_end() {
            records.seal_end(&mut last);
        }
        if !last.is_empty() {
            let _ = SockRef::from(tcp).send(&last);
        }
    }
}

fn refused(why: &Refusal) -> io::Error {
    io::Error::other(why.to_string())
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let Some(records) = &mut stream.records else {
            return Pin::new(stream.tcp()).poll_read(cx, into);
        };
        let tcp = stream.tcp.as_mut().expect("a stream that was not taken apart");
        while stream.opened.is_empty() && !records.is_over() {
            let polled = SCRATCH.with_borrow_mut(|scratch| {
                let carried = records.carried();
                let mut fresh = ReadBuf::new(&mut scratch[carried..]);
                ready!(Pin::new(&mut *tcp).poll_read(cx, &mut fresh))?;
                let count = fresh.filled().len();
                if count == 0 {
                    return Poll::Ready(Ok(None));
                }
                records.uncarry(scratch);
                let opened = match records.open(&mut scratch[..carried + count]) {
                    Ok(opened) => opened,
                    Err(fault) => {
                        let mut alert = std::mem::take(records.tail_mut());
                        records.seal_fault(fault, &mut alert);
                        *records.tail_mut() = alert;
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                    }
                };
                Poll::Ready(io::Result::Ok(Some(BytesMut::from(&scratch[..opened]).freeze())))
            });
            match ready!(polled)? {
                Some(opened) => stream.opened = opened,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = stream.opened.len().min(into.remaining());
        into.put_slice(&stream.opened[..count]);
        stream.opened.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.records.is_none() {
            return Pin::new(stream.tcp()).poll_write(cx, bytes);
        }
        ready!(stream.poll_tail(cx))?;
        let records = stream.records.as_mut().expect("looked at above");
        let mut sealed = std::mem::take(records.tail_mut());
        let count = records
            .seal(bytes, &mut sealed)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        *records.tail_mut() = sealed;
        // What is sealed has to be sent; that it waits is seen at the next write, or the flush.
        match stream.poll_tail(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_tail(cx))?;
        Pin::new(stream.tcp()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if let Some(records) = &mut stream.records
            && !records.has_said_end()
        {
            let mut sealed = std::mem::take(records.tail_mut());
            records.seal_end(&mut sealed);
            *records.tail_mut() = sealed;
        }
        ready!(stream.poll_tail(cx))?;
        Pin::new(stream.tcp()).poll_shutdown(cx)
    }
}
