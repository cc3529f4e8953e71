//! One writer of lines: a bounded queue and the thread that empties it.
//!
//! Promises that whoever writes a line never waits: what finds the queue full, by number or by bytes, is dropped and
//! counted, and the loss is told in the log once there is room. Must never be waited for without a deadline: whoever reads
//! the other end may never read again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing_subscriber::fmt::MakeWriter;

use crate::clock::whole_ms;
use crate::rare_line::RareLine;

/// Lines that may wait for one writer.
const QUEUED_LINES: usize = 16_384;

/// Bytes that may wait for one writer.
const QUEUED_BYTES: usize = 16 << 20;

/// How much is written at once.
const BATCH_BYTES: usize = 64 * 1024;

/// Where lines go in the end.
pub(super) trait Sink: Send + 'static {
    /// What it is called in a line about it.
    fn name(&self) -> &'static str;

    /// Writes whole lines. May wait for as long as it likes: its thread does nothing else.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Begins anew where the lines are to go from now on.
    fn reopen(&mut self);
}

/// What waits for the writer's thread.
enum Message {
    Line(Vec<u8>),
    /// There is something else to do than to write.
    Nudge,
    /// Everything before this was written, or lost.
    Flush(Sender<()>),
}

/// Lines that were lost since the start, of all writers.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log were lost since the start, because what takes them was too slow, full or gone.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The end into which lines are put.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    queue: Sender<Message>,
    account: Arc<Account>,
}

/// What waits, what was lost, and what was asked for.
#[derive(Debug, Default)]
struct Account {
    queued_bytes: AtomicUsize,
    lost: AtomicU64,
    is_reopening: AtomicBool,
}

impl Account {
    fn note_lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        LOST.fetch_add(lines, Ordering::Relaxed);
    }
}

impl LineWriter {
    /// Starts the thread that empties the queue into `sink`.
    pub(super) fn start(sink: impl Sink) -> io::Result<Self> {
        let (queue, waiting) = bounded(QUEUED_LINES);
        let account = Arc::<Account>::default();
        let clerk = Clerk {
            waiting,
            account: Arc::clone(&account),
            told: 0,
            telling: RareLine::new(),
            since: Instant::now(),
            batch: Vec::new(),
        };
        let name = format!("log-{}", sink.name());
        thread::Builder::new().name(name).spawn(move || clerk.work(sink))?;
        Ok(Self { queue, account })
    }

    /// Has the sink opened again, as soon as the thread can.
    pub(super) fn reopen(&self) {
        self.account.is_reopening.store(true, Ordering::Relaxed);
        // With a full queue there is no need for it.
        let _ = self.queue.try_send(Message::Nudge);
    }

    /// Asks to be told when everything that waits was written. `None`: there was no room for that until `deadline`.
    pub(super) fn flushed(&self, deadline: Instant) -> Option<Receiver<()>> {
        let (done, told) = bounded(1);
        self.queue.send_deadline(Message::Flush(done), deadline).ok()?;
        Some(told)
    }

    fn put(&self, line: &[u8]) {
        let account = &self.account;
        // Relaxed: a sum for itself, which a race gets wrong by the lines of that moment.
        let before = account.queued_bytes.fetch_add(line.len(), Ordering::Relaxed);
        let fits = before.saturating_add(line.len()) <= QUEUED_BYTES;
        if fits && self.queue.try_send(Message::Line(line.to_vec())).is_ok() {
            return;
        }
        account.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
        account.note_lost(1);
    }
}

impl io::Write for LineWriter {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The thread's side.
struct Clerk {
    waiting: Receiver<Message>,
    account: Arc<Account>,
    /// How many lost lines were told.
    told: u64,
    telling: RareLine,
    since: Instant,
    batch: Vec<u8>,
}

impl Clerk {
    fn work(mut self, mut sink: impl Sink) {
        while let Ok(first) = self.waiting.recv() {
            let (lines, done) = self.gather(first);
            if self.account.is_reopening.swap(false, Ordering::Relaxed) {
                sink.reopen();
            }
            if lines > 0 && sink.write(&self.batch).is_err() {
                self.account.note_lost(lines);
            }
            self.batch.clear();
            self.tell_losses(sink.name());
            if let Some(done) = done {
                // Fails when nobody waits any more.
                let _ = done.try_send(());
            }
        }
    }

    /// Takes what waits, as much as is written at once. Returns the number of lines, and who waits for them.
    fn gather(&mut self, first: Message) -> (u64, Option<Sender<()>>) {
        let mut next = Some(first);
        let mut lines = 0;
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    self.account.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    self.batch.extend_from_slice(&line);
                    lines += 1;
                }
                Message::Nudge => {}
                Message::Flush(done) => return (lines, Some(done)),
            }
            if self.batch.len() < BATCH_BYTES {
                next = self.waiting.try_recv().ok();
            }
        }
        (lines, None)
    }

    fn tell_losses(&mut self, writer: &str) {
        let lost = self.account.lost.load(Ordering::Relaxed);
        if lost == self.told || !self.waiting.is_empty() {
            return;
        }
        let now_ms = whole_ms(self.since.elapsed());
        if self.telling.may_say(now_ms).is_some() {
            let lines = lost - self.told;
            self.told = lost;
            tracing::warn!(
                writer,
                lines,
                "lines of the log were lost: what takes them is too slow, full or gone"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Takes lines when it is let to.
    struct Gate {
        open: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
        is_broken: bool,
    }

    impl Sink for Gate {
        fn name(&self) -> &'static str {
            "test"
        }

        fn write(&mut self, lines: &[u8]) -> io::Result<()> {
            let _ = self.open.recv();
            if self.is_broken {
                return Err(io::Error::other("broken"));
            }
            self.written.lock().expect("not poisoned").extend_from_slice(lines);
            Ok(())
        }

        fn reopen(&mut self) {
            self.is_broken = false;
        }
    }

    fn gate(is_broken: bool) -> (LineWriter, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (opens, open) = bounded(1);
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Gate {
            open,
            written: Arc::clone(&written),
            is_broken,
        };
        (LineWriter::start(sink).expect("a thread"), opens, written)
    }

    fn lost(writer: &LineWriter) -> u64 {
        writer.account.lost.load(Ordering::Relaxed)
    }

    #[test]
    fn a_stuck_sink_holds_nobody_up_and_costs_what_does_not_fit() {
        let (mut writer, opens, written) = gate(false);
        const LINE: &[u8] = b"0123456789abcde\n";
        for _ in 0..QUEUED_LINES * 2 {
            writer.write_all(LINE).expect("never fails");
        }
        // Beside what waits, the thread has one batch in its hands.
        let lost_by_number = lost(&writer);
        let most_kept = (QUEUED_LINES + BATCH_BYTES / LINE.len()) as u64;
        assert!(
            lost_by_number >= QUEUED_LINES as u64 * 2 - most_kept,
            "{lost_by_number}"
        );
        assert!(
            writer.flushed(Instant::now()).is_none(),
            "there is no room even for that"
        );
        drop(opens);
        let told = writer.flushed(Instant::now() + DEADLINE).expect("it moves again");
        told.recv_timeout(DEADLINE).expect("written");
        let kept = written.lock().expect("not poisoned").len() / LINE.len();
        assert_eq!(kept as u64 + lost_by_number, QUEUED_LINES as u64 * 2);
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let (mut writer, _opens, _) = gate(false);
        let line = vec![b'x'; 1 << 20];
        for _ in 0..32 {
            writer.write_all(&line).expect("never fails");
        }
        assert!(lost(&writer) >= 14, "{}", lost(&writer));
        assert!(writer.account.queued_bytes.load(Ordering::Relaxed) <= QUEUED_BYTES);
    }

    #[test]
    fn what_a_broken_sink_was_given_is_lost_until_it_is_opened_again() {
        let (mut writer, opens, written) = gate(true);
        drop(opens);
        let flush = |writer: &LineWriter| {
            let told = writer.flushed(Instant::now() + DEADLINE).expect("room");
            told.recv_timeout(DEADLINE).expect("done");
        };
        writer.write_all(b"one\n").expect("never fails");
        flush(&writer);
        assert_eq!(lost(&writer), 1);
        writer.reopen();
        writer.write_all(b"two\n").expect("never fails");
        flush(&writer);
        assert_eq!(lost(&writer), 1);
        assert_eq!(*written.lock().expect("not poisoned"), b"two\n");
        assert!(lost_lines() >= 1);
    }
}
