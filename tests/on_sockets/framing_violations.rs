//! Frames that no client may send end the connection with the close code of RFC 6455, section 7.4.1, and frames that are
//! only unusual do not.

use crate::support::server::Server;
use crate::support::wire::{BINARY, CLOSE, PING, PONG, TEXT, Wire, frame};

const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// The first byte of a text message that goes on.
const TEXT_BEGINS: u8 = 0x01;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;

/// Sends each of `cases` on a connection of its own, alone and in single bytes, and waits for `code`.
fn each_is_closed(code: u16, cases: &[(&str, Vec<u8>)]) {
    let server = Server::start(1);
    for (what, bytes) in cases {
        eprintln!("{what}");
        let mut wire = Wire::upgraded(&server);
        wire.expect_served();
        wire.send(bytes);
        wire.expect_close(code);

        let mut slow = Wire::upgraded(&server);
        for byte in bytes.iter().take(64) {
            // It may close before the last byte: then the rest no longer matters.
            slow.try_send(&[*byte]);
        }
        if bytes.len() > 64 {
            slow.try_send(&bytes[64..]);
        }
        slow.expect_close(code);
    }
}

#[test]
fn breaking_the_framing_is_closed_with_1002() {
    let mut unmasked = vec![TEXT, 2];
    unmasked.extend(b"hi");
    each_is_closed(
        PROTOCOL,
        &[
            ("an unmasked frame", unmasked),
            ("a reserved bit", frame(TEXT | 0x40, b"hi")),
            ("another reserved bit", frame(TEXT | 0x10, b"hi")),
            ("a reserved data opcode", frame(0x83, b"hi")),
            ("a reserved control opcode", frame(0x8b, b"hi")),
            ("a continuation of nothing", frame(ENDS, b"hi")),
            (
                "a message inside a message",
                [frame(TEXT_BEGINS, b"hi"), frame(TEXT, b"hi")].concat(),
            ),
            ("a ping in pieces", frame(0x09, b"hi")),
            ("a ping that is too long", frame(PING, &[7; 126])),
            ("a close payload of one byte", frame(CLOSE, &[3])),
            (
                "a close code that may not be sent",
                frame(CLOSE, &1005_u16.to_be_bytes()),
            ),
            ("a close code below all", frame(CLOSE, &999_u16.to_be_bytes())),
            (
                "a close code that nobody registered",
                frame(CLOSE, &2999_u16.to_be_bytes()),
            ),
            ("125 bytes in the form of 126", vec![TEXT, 0xfe, 0, 125]),
            (
                "65,535 bytes in the form of 65,536",
                vec![TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            ),
        ],
    );
}

#[test]
fn text_that_is_not_utf_8_is_closed_with_1007() {
    each_is_closed(
        NOT_UTF8,
        &[
            ("a bad byte", frame(TEXT, b"\"\xff\"")),
            ("a surrogate", frame(TEXT, b"\"\xed\xa0\x80\"")),
            ("a character cut short", frame(TEXT, b"\"\xf0\x9f\x90")),
            (
                "in pieces",
                [frame(TEXT_BEGINS, b"\"\xf0\x9f"), frame(ENDS, b"\xff\x9f\"")].concat(),
            ),
            ("a close reason", frame(CLOSE, b"\x03\xe8\xff")),
        ],
    );
}

#[test]
fn a_message_beyond_every_limit_is_closed_with_1009() {
    let limit = 65_536;
    let announced = |first: u8, bytes: u64| {
        let mut header = vec![first, 0x80 | 127];
        header.extend(bytes.to_be_bytes());
        header.extend([0; 4]);
        header
    };
    let pieces = [
        frame(TEXT_BEGINS, &vec![b' '; limit]),
        announced(ENDS, limit as u64 + 1),
    ]
    .concat();
    let fragments = [frame(TEXT_BEGINS, b""), frame(CONTINUES, b"").repeat(2_000)].concat();
    each_is_closed(
        TOO_LARGE,
        &[
            ("twice the limit and one", announced(TEXT, 2 * limit as u64 + 1)),
            ("binary", announced(BINARY, 2 * limit as u64 + 1)),
            ("a length that no machine has", announced(TEXT, (1 << 63) - 1)),
            ("in pieces", pieces),
            ("in too many pieces", fragments),
        ],
    );
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_connection_lives() {
    let limit = 65_536;
    let server = Server::start(1);
    let mut wire = Wire::upgraded(&server);
    let padded = |bytes: usize| {
        let mut text = br#"{"type":"Ping"}"#.to_vec();
        text.resize(bytes, b' ');
        text
    };
    wire.send_frame(TEXT, &padded(limit));
    assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
    for bytes in [limit + 1, 2 * limit] {
        wire.send_frame(TEXT, &padded(bytes));
        let answer = wire.frame();
        assert!(answer.text().contains("MESSAGE_TOO_LARGE"), "{bytes}: {answer:?}");
        wire.expect_served();
    }
    wire.send_frame(TEXT, &padded(2 * limit + 1));
    wire.expect_close(TOO_LARGE);
}

#[test]
fn a_clients_close_comes_back_unchanged() {
    let server = Server::start(1);
    let (bad_gateway, last) = ([0x03, 0xf6], [0x13, 0x87]); // 1014, 4999
    for payload in [
        &b""[..],
        b"\x03\xe8",
        b"\x03\xe8bye",
        b"\x0f\xa0mine",
        &[0x03, 0xe9],
        &bad_gateway,
        &last,
    ] {
        let mut wire = Wire::upgraded(&server);
        // What follows a close frame is not served.
        wire.send(&[frame(CLOSE, payload), frame(TEXT, br#"{"type":"Ping"}"#)].concat());
        let echo = wire.frame();
        assert_eq!((echo.first, &echo.payload[..]), (CLOSE, payload));
        assert_eq!(wire.rest(), b"", "and then the connection ends");
    }
}

#[test]
fn pings_are_answered_between_the_pieces_of_a_message() {
    let server = Server::start(1);
    let mut wire = Wire::upgraded(&server);
    wire.send(
        &[
            frame(TEXT_BEGINS, br#"{"type":"#),
            frame(PING, b"one"),
            frame(CONTINUES, br#""Pi"#),
            frame(PONG, b"unasked"),
            frame(PING, &[b'x'; 125]),
            frame(CONTINUES, b""),
            frame(ENDS, br#"ng"}"#),
            frame(PING, b""),
        ]
        .concat(),
    );
    for pong in [&b"one"[..], &[b'x'; 125]] {
        let answer = wire.frame();
        assert_eq!((answer.first, &answer.payload[..]), (PONG, pong));
    }
    assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
    assert_eq!(wire.frame().payload, b"");
    wire.expect_served();
}
