//! Moments that clients see.

use std::ops::Range;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

/// Where the nine digits behind the point stand.
const FRACTION: Range<usize> = 20..29;

/// Nanoseconds since the Unix epoch, UTC. Written as RFC 3339 with nine fractional digits and `Z`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct WallTime {
    /// Nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
}

impl WallTime {
    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_secs(self) -> u64 {
        self.unix_nanos / 1_000_000_000
    }

    /// Whole milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.unix_nanos / 1_000_000
    }

    /// As RFC 3339 has it, with nine fractional digits and `Z`.
    #[must_use]
    pub fn rfc_3339(self) -> [u8; 30] {
        let moment = OffsetDateTime::from_unix_timestamp(self.unix_secs() as i64)
            .expect("64-bit nanoseconds end in the year 2554, which the calendar holds");
        let (date, time) = (moment.date(), moment.time());
        // By hand: a snapshot has one for each player, and `core::fmt` took 2 of the 24 % of its time that a shard spent outside
        // the kernel in `signal-fish-loadtest storm`.
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        write_digits(&mut text[..4], date.year() as u32);
        write_digits(&mut text[5..7], u8::from(date.month()).into());
        write_digits(&mut text[8..10], date.day().into());
        write_digits(&mut text[11..13], time.hour().into());
        write_digits(&mut text[14..16], time.minute().into());
        write_digits(&mut text[17..19], time.second().into());
        write_digits(&mut text[FRACTION], (self.unix_nanos % 1_000_000_000) as u32);
        text
    }
}

/// Writes moments of which most lie in the second of the one before: of those it writes the digits behind the point.
#[derive(Debug)]
pub struct WallTimeText {
    text: [u8; 30],
    written: WallTime,
}

impl WallTimeText {
    /// A moment as [`WallTime::rfc_3339`] has it.
    pub fn of(&mut self, at: WallTime) -> &[u8; 30] {
        if at.unix_secs() != self.written.unix_secs() {
            self.text = at.rfc_3339();
        } else if at != self.written {
            write_digits(&mut self.text[FRACTION], (at.unix_nanos % 1_000_000_000) as u32);
        }
        self.written = at;
        &self.text
    }
}

impl Default for WallTimeText {
    fn default() -> Self {
        let written = WallTime::default();
        Self {
            text: written.rfc_3339(),
            written,
        }
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.rfc_3339()).expect("digits are ASCII"))
    }
}

/// Fills the whole of `place` with the last digits of `number`.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_rfc_3339_with_nine_digits() {
        let written = |unix_nanos| serde_json::to_string(&WallTime { unix_nanos }).expect("times serialise");
        assert_eq!(written(0), "\"1970-01-01T00:00:00.000000000Z\"");
        assert_eq!(written(1_795_397_463_254_686_877), "\"2026-11-23T01:31:03.254686877Z\"");
        assert!(written(u64::MAX).starts_with("\"2554-07-21T"));
    }

    #[test]
    fn one_after_the_other_is_written_like_each_alone() {
        let mut text = WallTimeText::default();
        for unix_nanos in [
            0,
            7,
            999_999_999,
            1_000_000_000,
            1_000_000_000,
            86_400_000_000_007,
            3,
            u64::MAX,
        ] {
            let at = WallTime { unix_nanos };
            assert_eq!(*text.of(at), at.rfc_3339());
        }
    }
}
