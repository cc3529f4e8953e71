#[path = "../../../../tests/fixtures/masked_frame.rs"]
mod masked_frame;

use proptest::prelude::*;

use self::masked_frame::{MASK, masked_frame};
use super::*;

const LIMITS: InboundLimits = InboundLimits {
    max_message_bytes: 4_096,
    max_fragments: 8,
};

/// An event that outlives its buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Event::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Event::Close(bytes) => Self::Close(bytes.to_vec()),
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_frame(first, payload, MASK)
}

fn feed(inbound: &mut Inbound, bytes: &[u8], seen: &mut Vec<Seen>) -> Result<(), Violation> {
    inbound.feed(&mut bytes.to_vec(), LIMITS, &mut |event| {
        seen.push(event.into());
        Flow::Continue
    })
}

fn all_at_once(bytes: &[u8]) -> (Result<(), Violation>, Vec<Seen>) {
    let mut seen = Vec::new();
    let fed = feed(&mut Inbound::default(), bytes, &mut seen);
    (fed, seen)
}

#[test]
fn a_connection_between_messages_keeps_nothing() {
    let mut inbound = Inbound::default();
    let mut seen = Vec::new();
    let bytes = frame(0x82, &[7; 1_000]);
    feed(&mut inbound, &bytes[..500], &mut seen).expect("no violation");
    assert!(!inbound.is_empty() && seen.is_empty());
    feed(&mut inbound, &bytes[500..], &mut seen).expect("no violation");
    assert!(inbound.is_empty());
    assert_eq!(seen, [Seen::Binary(vec![7; 1_000])]);
}

#[test]
fn what_is_held_is_near_what_came_and_counted_whole() {
    let mut inbound = Inbound::default();
    let mut seen = Vec::new();
    assert_eq!(inbound.kept_bytes(), 0);
    let near = |held: usize, came: usize| held >= came && held <= came * 5 / 4 + size_of::<Partial>() + 16;
    let bytes = frame(0x02, &[7; 4_000]);
    for (number, piece) in bytes[..3_990].chunks(10).enumerate() {
        feed(&mut inbound, piece, &mut seen).expect("no violation");
        let (held, came) = (inbound.kept_bytes(), 10 * (number + 1));
        assert!(near(held, came), "{held} bytes are held of {came}");
    }
    feed(&mut inbound, &bytes[3_990..], &mut seen).expect("no violation");
    assert!(near(inbound.kept_bytes(), 4_000));
    for (number, byte) in frame(0x00, &[7; 90]).iter().enumerate() {
        feed(&mut inbound, &[*byte], &mut seen).expect("no violation");
        assert!(near(inbound.kept_bytes(), 4_000 + number));
    }
    // The end of a large frame and the start of a small one arrive together.
    let bytes = [frame(0x80, &[7; 6]), frame(0x82, &[8; 3_000]), frame(0x82, b"x")].concat();
    let (first, rest) = bytes.split_at(2_900);
    feed(&mut inbound, first, &mut seen).expect("no violation");
    feed(&mut inbound, &rest[..rest.len() - 1], &mut seen).expect("no violation");
    assert!(near(inbound.kept_bytes(), 6), "{inbound:?}");
    assert_eq!(seen.len(), 2);
}

#[test]
fn what_is_kept_is_not_printed() {
    let mut inbound = Inbound::default();
    let mut seen = Vec::new();
    let piece = frame(0x01, b"hunter2");
    feed(&mut inbound, &piece, &mut seen).expect("no violation");
    let printed = format!("{inbound:?}");
    assert_eq!(printed, "Inbound { unserved_bytes: 7, is_over: false, .. }");
}

#[test]
fn control_frames_between_pieces_are_served_at_once() {
    let bytes = [
        frame(0x01, b"hel"),
        frame(0x89, b"?"),
        frame(0x00, b"l"),
        frame(0x8A, b"!"),
        frame(0x80, b"o"),
    ]
    .concat();
    let (fed, seen) = all_at_once(&bytes);
    fed.expect("no violation");
    assert_eq!(
        seen,
        [
            Seen::Ping(b"?".into()),
            Seen::Pong(b"!".into()),
            Seen::Text("hello".into())
        ]
    );
}

#[test]
fn a_character_may_be_cut_between_pieces_but_not_missing() {
    let snowman = "☃".as_bytes();
    let (fed, seen) = all_at_once(&[frame(0x01, &snowman[..1]), frame(0x80, &snowman[1..])].concat());
    fed.expect("no violation");
    assert_eq!(seen, [Seen::Text("☃".into())]);
    assert_eq!(all_at_once(&frame(0x81, &snowman[..2])).0, Err(Violation::InvalidUtf8));
}

#[test]
fn violations_are_named() {
    let cases: [(&str, Vec<u8>, Violation); 8] = [
        ("a stray continuation", frame(0x80, b"x"), Violation::Protocol),
        (
            "a message inside a message",
            [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
            Violation::Protocol,
        ),
        ("a close of one byte", frame(0x88, b"x"), Violation::Protocol),
        (
            "a forbidden close code",
            frame(0x88, &1005u16.to_be_bytes()),
            Violation::Protocol,
        ),
        (
            "a close reason that is not UTF-8",
            frame(0x88, &[0x03, 0xE8, 0xFF]),
            Violation::InvalidUtf8,
        ),
        (
            "a frame beyond the limit",
            frame(0x82, &[0; 4_097]),
            Violation::TooLarge,
        ),
        (
            "pieces beyond the limit",
            [frame(0x02, &[0; 4_000]), frame(0x00, &[0; 97])].concat(),
            Violation::TooLarge,
        ),
        (
            "too many pieces",
            [frame(0x02, b""), frame(0x00, b"").repeat(8)].concat(),
            Violation::TooLarge,
        ),
    ];
    for (what, bytes, violation) in cases {
        assert_eq!(all_at_once(&bytes).0, Err(violation), "{what}");
    }
}

#[test]
fn close_codes_are_judged_by_the_registry() {
    for code in 0..=u16::MAX {
        let registered = match code {
            // 1004 is reserved; 1005, 1006 and 1015 are for interfaces, never for frames.
            1004..=1006 | 1015 => false,
            1000..=1014 | 3000..=4999 => true,
            _ => false,
        };
        let payload = [&code.to_be_bytes()[..], b"why"].concat();
        let (fed, seen) = all_at_once(&frame(0x88, &payload));
        match registered {
            true => assert_eq!((fed, seen), (Ok(()), vec![Seen::Close(payload)]), "{code}"),
            false => assert_eq!((fed, seen), (Err(Violation::Protocol), Vec::new()), "{code}"),
        }
    }
}

#[test]
fn nothing_is_served_after_a_close_or_a_violation() {
    let (fed, seen) = all_at_once(&[frame(0x88, &1000u16.to_be_bytes()), frame(0x81, b"late")].concat());
    fed.expect("no violation");
    assert_eq!(seen, [Seen::Close(1000u16.to_be_bytes().to_vec())]);
    let mut inbound = Inbound::default();
    let mut seen = Vec::new();
    assert!(feed(&mut inbound, &frame(0x80, b"x"), &mut seen).is_err());
    feed(&mut inbound, &frame(0x81, b"late"), &mut seen).expect("ignored");
    assert!(seen.is_empty() && inbound.is_empty());
}

#[test]
fn a_suspended_connection_goes_on_where_it_stopped() {
    let mut inbound = Inbound::default();
    let mut seen = Vec::new();
    let bytes = [frame(0x81, b"join"), frame(0x81, b"one"), frame(0x89, b"2")].concat();
    let (now, later) = bytes.split_at(bytes.len() - 3);
    inbound
        .feed(&mut now.to_vec(), LIMITS, &mut |event| {
            seen.push(Seen::from(event));
            Flow::Suspend
        })
        .expect("no violation");
    assert_eq!(seen, [Seen::Text("join".into())]);
    inbound.keep(later);
    inbound.keep(&frame(0x81, b"three"));
    inbound
        .resume(LIMITS, &mut |event| {
            seen.push(Seen::from(event));
            Flow::Continue
        })
        .expect("no violation");
    assert_eq!(
        seen[1..],
        [
            Seen::Text("one".into()),
            Seen::Ping(b"2".into()),
            Seen::Text("three".into())
        ]
    );
    assert!(inbound.is_empty());
}

#[test]
fn masks_come_off_at_every_length() {
    for length in 0..40 {
        let plain: Vec<u8> = (0..length).collect();
        let mut masked: Vec<u8> = plain
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        unmask(&mut masked, MASK);
        assert_eq!(masked, plain);
    }
}

fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (
            prop::sample::select(vec![0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
            prop::collection::vec(any::<u8>(), 0..200)
        )
            .prop_map(|(first, payload)| frame(
                first,
                &payload[..payload.len().min(if first >= 0x88 { 125 } else { 200 })]
            )),
        "[a-z☃]{0,40}".prop_map(|text| frame(0x81, text.as_bytes())),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// However the bytes are cut, the same events come out, then the same violation or none.
    #[test]
    fn cuts_change_nothing(bytes in wire(), cuts in prop::collection::vec(1usize..80, 0..40)) {
        let (expected, expected_seen) = all_at_once(&bytes);
        let mut inbound = Inbound::default();
        let mut seen = Vec::new();
        let mut fed = Ok(());
        let mut rest = &bytes[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            fed = fed.and(feed(&mut inbound, now, &mut seen));
            rest = later;
        }
        fed = fed.and(feed(&mut inbound, rest, &mut seen));
        prop_assert_eq!(fed, expected);
        prop_assert_eq!(seen, expected_seen);
    }

    /// However often serving is suspended, the same events come out.
    #[test]
    fn suspensions_change_nothing(bytes in wire(), suspend in prop::collection::vec(any::<bool>(), 64)) {
        let (expected, expected_seen) = all_at_once(&bytes);
        let mut inbound = Inbound::default();
        let mut seen = Vec::new();
        let mut pattern = suspend.into_iter().cycle();
        let mut suspended;
        let mut fed;
        {
            suspended = false;
            fed = inbound.feed(&mut bytes.clone(), LIMITS, &mut |event| {
                seen.push(Seen::from(event));
                suspended = pattern.next().expect("a cycle does not end");
                if suspended { Flow::Suspend } else { Flow::Continue }
            });
        }
        while suspended && fed.is_ok() {
            suspended = false;
            fed = inbound.resume(LIMITS, &mut |event| {
                seen.push(Seen::from(event));
                suspended = pattern.next().expect("a cycle does not end");
                if suspended { Flow::Suspend } else { Flow::Continue }
            });
        }
        prop_assert_eq!(fed, expected);
        prop_assert_eq!(seen, expected_seen);
    }
}
