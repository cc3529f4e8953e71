//! The echo of `examples/ws_echo`, category by category of the Autobahn suite: what comes back, and how a peer that breaks
//! the rules is closed. Every conversation is held twice, in one write and in many, but for those of megabytes.

#[path = "../../examples/ws_echo/echo.rs"]
mod echo;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;

use crate::support::wire::{BINARY, CLOSE, Frame, PING, PONG, TEXT, UPGRADE, Wire, frame};

/// First bytes of messages in pieces.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

const PROTOCOL: u16 = 1002;
const INVALID_UTF_8: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// One echo for all tests, on a thread that lives as long as the process.
fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || echo::serve(&listener));
        address
    })
}

fn upgraded() -> Wire {
    let mut wire = Wire::connect(address());
    wire.send(UPGRADE.as_bytes());
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    wire
}

/// How many bytes are written at a time: all, then one, or many where one would take for ever.
fn steps(sent: &[u8]) -> [usize; 2] {
    let few = if sent.len() > 2_000 { 997 } else { 1 };
    [sent.len().max(1), few]
}

/// Sends frames at once or little by little, and compares what comes back.
fn comes_back(what: &str, sent: &[u8], expected: &[(u8, &[u8])]) {
    for step in steps(sent) {
        let mut wire = upgraded();
        for bytes in sent.chunks(step) {
            wire.send(bytes);
        }
        for (first, payload) in expected {
            let Frame {
                first: got,
                payload: came,
            } = wire.frame();
            assert!(
                (got, &came[..]) == (*first, *payload),
                "{what}, {step} at a time: {} bytes",
                came.len()
            );
        }
        wire.send(&frame(CLOSE, b"\x03\xe8"));
        let farewell = wire.frame();
        assert_eq!(
            (farewell.first, &farewell.payload[..]),
            (CLOSE, &b"\x03\xe8"[..]),
            "{what}"
        );
        assert_eq!(wire.rest(), b"", "{what}");
    }
}

/// Sends frames and expects these back, then the close with this code.
fn is_closed(what: &str, sent: &[u8], before: &[(u8, &[u8])], code: u16) {
    for step in steps(sent) {
        let mut wire = upgraded();
        for bytes in sent.chunks(step) {
            // It may close before the last byte.
            if !wire.try_send(bytes) {
                break;
            }
        }
        for (first, payload) in before {
            let Frame {
                first: got,
                payload: came,
            } = wire.frame();
            assert_eq!((got, &came[..]), (*first, *payload), "{what}");
        }
        let farewell = wire.frame();
        assert_eq!(
            farewell.close_code(),
            Some(code),
            "{what}, {step} at a time: {farewell:?}"
        );
        wire.finish();
        assert_eq!(wire.rest(), b"", "{what}");
    }
}

#[test]
fn category_1_messages_of_every_length_class_come_back() {
    for length in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'*'; length];
        for kind in [TEXT, BINARY] {
            comes_back("a message", &frame(kind, &payload), &[(kind, &payload)]);
        }
        comes_back(
            "any byte",
            &frame(BINARY, &vec![0xfe; length]),
            &[(BINARY, &vec![0xfe; length])],
        );
    }
}

#[test]
fn category_2_pings_are_answered_and_pongs_are_not() {
    comes_back("an empty ping", &frame(PING, b""), &[(PONG, b"")]);
    comes_back("a ping", &frame(PING, &[0xff; 125]), &[(PONG, &[0xff; 125])]);
    comes_back(
        "a pong that nobody asked for",
        &[frame(PONG, b"unasked"), frame(PING, b"x")].concat(),
        &[(PONG, b"x")],
    );
    let ten: Vec<Vec<u8>> = (0..10).map(|number| vec![b'0' + number]).collect();
    let pings: Vec<u8> = ten.iter().flat_map(|payload| frame(PING, payload)).collect();
    let pongs: Vec<(u8, &[u8])> = ten.iter().map(|payload| (PONG, &payload[..])).collect();
    comes_back("ten pings", &pings, &pongs);
    is_closed("a ping that is too long", &frame(PING, &[7; 126]), &[], PROTOCOL);
}

#[test]
fn categories_3_and_4_reserved_bits_and_opcodes_close() {
    for bits in 1..8 {
        for kind in [TEXT, BINARY, PING, CLOSE] {
            let sent = [frame(TEXT, b"before"), frame(kind | bits << 4, b"hello")].concat();
            is_closed("reserved bits", &sent, &[(TEXT, b"before")], PROTOCOL);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let sent = [frame(TEXT, b"before"), frame(0x80 | opcode, b"x"), frame(PING, b"")].concat();
        is_closed("a reserved opcode", &sent, &[(TEXT, b"before")], PROTOCOL);
    }
}

#[test]
fn category_5_pieces_make_one_message_and_control_frames_come_between() {
    let pieces = |kind, pieces: [&[u8]; 3]| {
        [
            frame(kind, pieces[0]),
            frame(GOES_ON, pieces[1]),
            frame(ENDS, pieces[2]),
        ]
    };
    comes_back(
        "three pieces",
        &pieces(TEXT_BEGINS, [b"a", b"", b"c"]).concat(),
        &[(TEXT, b"ac")],
    );
    comes_back(
        "binary pieces",
        &pieces(BINARY_BEGINS, [b"\xff", b"\xfe", b""]).concat(),
        &[(BINARY, b"\xff\xfe")],
    );
    comes_back(
        "empty pieces",
        &pieces(TEXT_BEGINS, [b"", b"", b""]).concat(),
        &[(TEXT, b"")],
    );
    let [first, second, third] = pieces(TEXT_BEGINS, [b"one ", b"two ", b"three"]);
    let between = [first.clone(), frame(PING, b"1"), second, frame(PING, b"2"), third].concat();
    comes_back(
        "pings between",
        &between,
        &[(PONG, b"1"), (PONG, b"2"), (TEXT, b"one two three")],
    );
    is_closed("a ping in pieces", &frame(PING & 0x7f, b"x"), &[], PROTOCOL);
    is_closed("a pong in pieces", &frame(PONG & 0x7f, b"x"), &[], PROTOCOL);
    for stray in [GOES_ON, ENDS] {
        is_closed("a continuation of nothing", &frame(stray, b"x"), &[], PROTOCOL);
        let after = [frame(TEXT, b"whole"), frame(stray, b"x")].concat();
        is_closed(
            "a continuation of a whole message",
            &after,
            &[(TEXT, b"whole")],
            PROTOCOL,
        );
    }
    for inner in [TEXT, BINARY, TEXT_BEGINS] {
        is_closed(
            "a message inside a message",
            &[first.clone(), frame(inner, b"x")].concat(),
            &[],
            PROTOCOL,
        );
    }
}

#[test]
fn category_6_text_is_utf_8_wherever_it_is_cut() {
    let pending_upgrade = "Hello-µ@ßöäüàá-UTF-8!! κόσμε 雪 🐟\u{fffe}\u{10ffff}\u{7ff}\u{800}\u{ffff}\u{10000}";
    comes_back(
        "text",
        &frame(TEXT, pending_upgrade.as_bytes()),
        &[(TEXT, pending_upgrade.as_bytes())],
    );
    for cut in 1..pending_upgrade.len() {
        let (one, other) = pending_upgrade.as_bytes().split_at(cut);
        let sent = [frame(TEXT_BEGINS, one), frame(ENDS, other)].concat();
        let mut wire = upgraded();
        wire.send(&sent);
        assert_eq!(wire.frame().text(), pending_upgrade, "cut at {cut}");
    }
    let invalid: [&[u8]; 19] = [
        b"\x80",             // a continuation byte alone
        b"\xbf\xbf",         // two of them
        b"\xc0\xaf",         // two bytes for one character of ASCII
        b"\xe0\x80\xaf",     // three for it
        b"\xf0\x80\x80\xaf", // four
        b"\xc1\xbf",         // the largest that two bytes are too many for
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xc0\x80",     // a null in two bytes
        b"\xed\xa0\x80", // halves of pairs
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80", // beyond Unicode
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xce\xba\xe1\xbd",               // cut short
        b"\xce\xba\xf4\x90\x80\x80edited", // the suite's own
    ];
    for text in invalid {
        is_closed("text that is none", &frame(TEXT, text), &[], INVALID_UTF_8);
        let in_pieces: Vec<u8> = [frame(TEXT_BEGINS, b"")]
            .into_iter()
            .chain(text.iter().map(|byte| frame(GOES_ON, &[*byte])))
            .chain([frame(ENDS, b"")])
            .flatten()
            .collect();
        is_closed("text that is none, in pieces", &in_pieces, &[], INVALID_UTF_8);
    }
}

#[test]
fn category_7_closes_come_back_or_are_closed() {
    let with_reason = |code: u16, reason: &[u8]| [&code.to_be_bytes()[..], reason].concat();
    let echoed: Vec<Vec<u8>> = (1000..=1003)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999])
        .map(|code| with_reason(code, b""))
        .chain([
            Vec::new(),
            with_reason(1000, &[b'*'; 123]),
            with_reason(1000, "κόσμε".as_bytes()),
        ])
        .collect();
    for payload in &echoed {
        let mut wire = upgraded();
        // What follows a close is not served.
        wire.send(
            &[
                frame(CLOSE, payload),
                frame(TEXT, b"late"),
                frame(PING, b"late"),
                frame(CLOSE, b""),
            ]
            .concat(),
        );
        let farewell = wire.frame();
        assert_eq!((farewell.first, &farewell.payload), (CLOSE, payload));
        wire.finish();
        assert_eq!(wire.rest(), b"", "{payload:?}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        is_closed(
            "a close code that may not be sent",
            &frame(CLOSE, &with_reason(code, b"")),
            &[],
            PROTOCOL,
        );
    }
    is_closed("half a close code", &frame(CLOSE, b"\x03"), &[], PROTOCOL);
    is_closed(
        "a close that is too long",
        &frame(CLOSE, &with_reason(1000, &[b'*'; 124])),
        &[],
        PROTOCOL,
    );
    is_closed(
        "a reason that is no text",
        &frame(CLOSE, &with_reason(1000, b"\xce\xba\xe1")),
        &[],
        INVALID_UTF_8,
    );
    let unfinished = [frame(TEXT_BEGINS, b"half"), frame(CLOSE, b"\x03\xe8")].concat();
    let mut wire = upgraded();
    wire.send(&unfinished);
    assert_eq!(
        wire.frame().close_code(),
        Some(1000),
        "a message that is not over is no longer waited for"
    );
}

/// Sends while it reads: an echo of megabytes fills the buffers of both sides.
fn floods(sent: Vec<u8>, expected: &[(u8, usize)]) {
    let mut wire = upgraded();
    let mut writer: TcpStream = wire.stream().try_clone().expect("a second handle");
    let writing = thread::spawn(move || std::io::Write::write_all(&mut writer, &sent));
    for (first, length) in expected {
        let came = wire.frame();
        assert_eq!((came.first, came.payload.len()), (*first, *length));
        assert!(
            came.payload.iter().all(|byte| *byte == b'*'),
            "in a message of {length} bytes"
        );
    }
    writing.join().expect("no panic").expect("everything was read");
}

#[test]
fn category_9_megabytes_come_back_whole_and_in_pieces() {
    let largest = vec![b'*'; echo::MAX_MESSAGE_BYTES];
    for kind in [TEXT, BINARY] {
        floods(frame(kind, &largest), &[(kind, largest.len())]);
    }
    for piece_bytes in [64, 1_024, 65_536, 4 << 20] {
        let message = &largest[..4 << 20];
        let mut sent = frame(BINARY_BEGINS, b"");
        for piece in message.chunks(piece_bytes) {
            sent.extend(frame(GOES_ON, piece));
        }
        sent.extend(frame(ENDS, b""));
        floods(sent, &[(BINARY, message.len())]);
    }
    for length in [0, 16, 1_024, 16_384] {
        floods(frame(TEXT, &largest[..length]).repeat(1_000), &[(TEXT, length); 1_000]);
    }
    let mut wire = upgraded();
    let mut header = frame(BINARY, &[]);
    header[1] = 0x80 | 127;
    header.splice(2..2, (echo::MAX_MESSAGE_BYTES as u64 + 1).to_be_bytes());
    wire.send(&header);
    wire.expect_close(TOO_LARGE);
}

#[test]
fn what_is_no_upgrade_is_told_so() {
    for (request, status) in [
        (UPGRADE.replace("GET ", "POST "), "405"),
        (UPGRADE.replace("Version: 13", "Version: 8"), "400"),
        ("hello\r\n\r\n".to_owned(), "400"),
    ] {
        let mut wire = Wire::connect(address());
        wire.send(request.as_bytes());
        let head = wire.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
    }
}

#[test]
fn connections_beyond_the_number_are_closed_and_their_places_come_free() {
    // On an echo of its own: the others' connections are none of its business.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || echo::serve(&listener));
    let mut crowd: Vec<Wire> = (0..echo::MAX_CONNECTIONS).map(|_| Wire::connect(address)).collect();
    for wire in &mut crowd {
        wire.send(UPGRADE.as_bytes());
        wire.head();
    }
    assert_eq!(Wire::connect(address).rest(), b"", "there is no place");
    let mut leaving = crowd.pop().expect("a crowd");
    leaving.send(&frame(CLOSE, b""));
    assert_eq!(leaving.frame().first, CLOSE);
    drop(leaving);
    let until = std::time::Instant::now() + crate::support::DEADLINE;
    loop {
        let mut wire = Wire::connect(address);
        if wire.try_send(UPGRADE.as_bytes()) {
            let _ = wire.stream().shutdown(Shutdown::Write);
            if wire.rest().starts_with(b"HTTP/1.1 101 ") {
                break;
            }
        }
        assert!(std::time::Instant::now() < until, "the place never came free");
    }
}
