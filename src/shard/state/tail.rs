//! Some of the game data of a room, for somebody who looks at it now.
//!
//! Owns a short ring that is there only while somebody has looked in the last seconds, and only where the operator allows payloads
//! to be seen. Promises that a room which nobody looks at has none, and that of one that is busy no more than ten a second are
//! taken.

use std::collections::VecDeque;
use std::fmt::Write as _;

use serde::Serialize;

use crate::protocol::game_data::{Content, OutgoingGameData};
use crate::protocol::{DeliveryClass, GameDataFormat, PlayerId, WallTime};
use crate::shard::world::now::Now;

/// Samples that are kept.
const MAX_SAMPLES: usize = 24;

/// The least time between two, in milliseconds.
const PACE_MS: u64 = 100;

/// For how long a look holds, in milliseconds: whoever goes on looking does so every second.
const LOOK_MS: u64 = 5_000;

/// Characters of a text that are shown.
const TEXT_CHARS: usize = 160;

/// Bytes of binary data that are shown.
const BINARY_BYTES: usize = 48;

/// A message, as it came.
#[derive(Debug, Clone, Serialize)]
pub struct FrameSample {
    /// When.
    pub at: WallTime,
    /// Whose.
    pub player: PlayerId,
    /// Its number in the sender's stream.
    pub seq: u64,
    /// What may happen to it when a receiver is slow.
    pub class: DeliveryClass,
    /// How it is encoded.
    pub encoding: GameDataFormat,
    /// How long its payload is.
    pub bytes: usize,
    /// The beginning of the payload: of JSON the text, of anything else its bytes in hexadecimal.
    pub preview: Box<str>,
}

/// What is kept of a room's game data.
#[derive(Debug)]
pub(in crate::shard) struct Tail {
    samples: VecDeque<FrameSample>,
    next_ms: u64,
    until_ms: u64,
}

impl Tail {
    /// That of a room at which somebody begins to look.
    pub(in crate::shard) fn begin(now: Now) -> Self {
        Self {
            samples: VecDeque::new(),
            next_ms: now.mono_ms,
            until_ms: now.mono_ms.saturating_add(LOOK_MS),
        }
    }

    /// Somebody still looks.
    pub(in crate::shard) fn go_on(&mut self, now: Now) {
        self.until_ms = now.mono_ms.saturating_add(LOOK_MS);
    }

    /// Looks at a message. `false`: nobody looks any more.
    pub(in crate::shard) fn note(&mut self, message: &OutgoingGameData<'_>, now: Now) -> bool {
        if now.mono_ms >= self.until_ms {
            return false;
        }
        if now.mono_ms < self.next_ms {
            return true;
        }
        self.next_ms = now.mono_ms.saturating_add(PACE_MS);
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        let content = &message.content;
        self.samples.push_back(FrameSample {
            at: now.wall,
            player: message.sender,
            seq: message.stamp.seq,
            class: content.class(),
            encoding: content.format().unwrap_or(GameDataFormat::Json),
            bytes: content.payload_bytes(),
            preview: preview(content),
        });
        true
    }

    /// What is kept, oldest first.
    pub(in crate::shard) fn samples(&self) -> Vec<FrameSample> {
        self.samples.iter().cloned().collect()
    }
}

fn preview(content: &Content<'_>) -> Box<str> {
    let mut text = String::new();
    match content {
        Content::Json { payload, .. } => text.extend(payload.chars().take(TEXT_CHARS)),
        Content::Binary { payload, .. } => {
            for byte in payload.iter().take(BINARY_BYTES) {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stamp;

    fn at(mono_ms: u64) -> Now {
        let wall = WallTime {
            unix_nanos: mono_ms * 1_000_000,
        };
        Now {
            mono_ms,
            mono_us: mono_ms * 1_000,
            wall,
        }
    }

    fn said(content: Content<'_>) -> OutgoingGameData<'_> {
        OutgoingGameData {
            sender: PlayerId::from_bytes([7; 16]),
            stamp: Stamp { epoch: 1, seq: 9 },
            content,
        }
    }

    fn json(payload: &str) -> Content<'_> {
        Content::Json {
            payload,
            class: None,
            key: None,
        }
    }

    #[test]
    fn few_are_taken_of_many_and_none_when_nobody_looks() {
        let mut tail = Tail::begin(at(0));
        let message = said(json("{}"));
        for ms in 0..LOOK_MS {
            assert!(tail.note(&message, at(ms)));
        }
        assert_eq!(tail.samples().len(), MAX_SAMPLES);
        let apart: Vec<_> = tail.samples().iter().map(|sample| sample.at.unix_ms()).collect();
        assert!(apart.windows(2).all(|pair| pair[1] - pair[0] == PACE_MS), "{apart:?}");
        assert!(!tail.note(&message, at(LOOK_MS)));
        tail.go_on(at(LOOK_MS));
        assert!(tail.note(&message, at(LOOK_MS)));
    }

    #[test]
    fn a_preview_is_short_whatever_was_sent() {
        let long = "é".repeat(10_000);
        let binary = Content::Binary {
            format: GameDataFormat::MessagePack,
            payload: &[0x82; 4_000],
        };
        let mut tail = Tail::begin(at(0));
        tail.note(&said(json(&long)), at(0));
        tail.note(&said(binary), at(PACE_MS));
        let samples = tail.samples();
        assert_eq!(
            (samples[0].bytes, samples[0].preview.chars().count()),
            (20_000, TEXT_CHARS)
        );
        assert_eq!(
            (samples[1].bytes, &*samples[1].preview),
            (4_000, &*"82".repeat(BINARY_BYTES))
        );
    }
}
