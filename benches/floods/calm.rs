//! Players who talk at a fixed rate in rooms that they do not flood, and how long each message was under way.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::arrivals::{self, stamp_arrivals, take_frame, wall_us};
use crate::support::crowd::Guest;
use crate::support::wire::{TEXT, frame};
use crate::target::be_nice;

/// The longest that messages are waited for when the last has been sent.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long messages took from being sent until the kernel had them at the other player's socket.
#[derive(Default)]
pub struct Waits {
    us: Vec<u64>,
    pub missing: usize,
}

impl Waits {
    /// The wait that such a share of messages does not exceed, in milliseconds.
    pub fn ms_at(&mut self, share: f64) -> f64 {
        self.us.sort_unstable();
        let last = self.us.len().saturating_sub(1);
        self.us
            .get((last as f64 * share).round() as usize)
            .map_or(f64::NAN, |us| *us as f64 / 1_000.0)
    }
}

/// What comes before the moment in a message that tells when it was sent.
const MARK: &str = r#""data":"sent at "#;

fn stamped() -> Vec<u8> {
    let text = format!(r#"{{"type":"GameData","data":{{{MARK}{:020}{:0>40}"}}}}"#, wall_us(), 0);
    frame(TEXT, text.as_bytes())
}

/// When a message was sent, if it tells.
fn sent_us(payload: &[u8]) -> Option<u64> {
    let start = &payload[..payload.len().min(200)];
    let at = start.windows(MARK.len()).position(|bytes| bytes == MARK.as_bytes())? + MARK.len();
    std::str::from_utf8(payload.get(at..at + 20)?).ok()?.parse().ok()
}

/// Somebody who listens, and perhaps talks.
struct Member {
    stream: TcpStream,
    unread: Vec<u8>,
    talks: bool,
    due: Instant,
}

/// Players of whom each one who talks is heard by one other.
pub struct Company {
    members: Vec<Member>,
}

impl Company {
    /// Of players and whether they talk.
    pub fn of(guests: impl Iterator<Item = (Guest, bool)>) -> Self {
        let members = guests.map(|(guest, talks)| {
            stamp_arrivals(&guest.mouth);
            let mut unread = guest.ears.unread().to_owned();
            while take_frame(&mut unread).is_some() {} // news of those who came
            Member {
                unread,
                stream: guest.mouth,
                talks,
                due: Instant::now(),
            }
        });
        Self {
            members: members.collect(),
        }
    }

    /// Two rooms of two who all talk.
    pub fn in_calm_rooms(address: SocketAddr) -> Self {
        Self::of((0..4).map(|number| {
            let code = format!("CALM{0}{0}", number / 2);
            (Guest::enter(address, "calm", &code, &format!("Calm{number}")), true)
        }))
    }

    /// Talks so many times a second for as long as told and returns the waits of all messages.
    pub fn talk(&mut self, rate: u32, goes_on: impl Fn() -> bool) -> Waits {
        be_nice(-10);
        let interval = Duration::from_secs(1) / rate;
        let (began, count) = (Instant::now(), self.members.len() as u32);
        for (number, member) in (0..).zip(&mut self.members) {
            member.due = began + interval * number / count;
        }
        let mut waits = Waits::default();
        let mut sent = 0;
        let mut ended_at = None;
        loop {
            let now = Instant::now();
            if ended_at.is_none() && !goes_on() {
                ended_at = Some(now);
            }
            for member in &mut self.members {
                if member.talks && member.due <= now && ended_at.is_none() {
                    let _ = member.stream.write_all(&stamped()); // missing when it cannot be sent
                    member.due += interval;
                    sent += 1;
                }
                arrivals::read(&member.stream, &mut member.unread, |payload, at_us| {
                    if let Some(sent_us) = sent_us(payload) {
                        waits.us.push(at_us.saturating_sub(sent_us));
                    }
                });
            }
            waits.missing = sent - waits.us.len();
            if ended_at.is_some_and(|at| waits.missing == 0 || now > at + PATIENCE) {
                be_nice(0);
                return waits;
            }
            thread::sleep(Duration::from_micros(50));
        }
    }
}
