//! WebSocket frames: what is put together again, what is answered, what ends the connection.

use serde_json::json;

use crate::harness::{Frame, Opcode, Setup, client_frame, in_every_schedule};

const PING: &[u8] = br#"{"type":"Ping"}"#;

#[test]
fn pieces_are_put_together_around_control_frames() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        mira.sends_frame(Opcode::Text, false, &PING[..4]);
        mira.sends_frame(Opcode::Ping, true, b"one");
        mira.sends_frame(Opcode::Continuation, false, &PING[4..4]);
        mira.sends_frame(Opcode::Pong, true, b"unasked");
        mira.sends_frame(Opcode::Continuation, true, &PING[4..]);
        assert_eq!(mira.next_frame(), Frame::Pong(b"one".to_vec()));
        mira.expects(json!({"type": "Pong"}));
        mira.expects_nothing();
    });
}

#[test]
fn a_close_is_echoed_as_it_came() {
    in_every_schedule(Setup::default, |game| {
        for (code, reason) in [(1_000, "bye"), (4_123, "app"), (3_000, ""), (1_001, "é")] {
            let mira = game.enter("mira");
            mira.says("Ping").closes(code, reason).says("Ping");
            mira.expects(json!({"type": "Pong"}));
            mira.expects_close(code, reason);
        }
        let otto = game.enter("otto");
        otto.sends_frame(Opcode::Close, true, b"");
        assert_eq!(otto.next_frame(), Frame::Close(None, String::new()));
        otto.expects_end();
        assert_eq!(game.machine().connections(), 0);
    });
}

#[test]
fn what_no_client_may_send_ends_the_connection_with_the_right_code() {
    in_every_schedule(Setup::default, |game| {
        let mask = [1, 2, 3, 4];
        let whole = |opcode, payload: &[u8]| client_frame(opcode, true, payload, mask);
        let mut unmasked = vec![0x81, 15];
        unmasked.extend_from_slice(PING);
        let mut reserved_opcode = whole(Opcode::Text, PING);
        reserved_opcode[0] = 0x83;
        let mut reserved_bit = whole(Opcode::Text, PING);
        reserved_bit[0] |= 0x40;
        let cut_ping = client_frame(Opcode::Ping, false, b"", mask);
        let second_start = [client_frame(Opcode::Text, false, b"{", mask), whole(Opcode::Text, PING)].concat();
        let violations = [
            (unmasked, 1_002, "protocol_violation"),
            (reserved_opcode, 1_002, "protocol_violation"),
            (reserved_bit, 1_002, "protocol_violation"),
            (cut_ping, 1_002, "protocol_violation"),
            (second_start, 1_002, "protocol_violation"),
            (whole(Opcode::Continuation, b"x"), 1_002, "protocol_violation"),
            (whole(Opcode::Ping, &[0; 126]), 1_002, "protocol_violation"),
            (whole(Opcode::Close, b"\x03"), 1_002, "protocol_violation"),
            (
                whole(Opcode::Close, &1_005_u16.to_be_bytes()),
                1_002,
                "protocol_violation",
            ),
            (whole(Opcode::Close, b"\x03\xe8\xff"), 1_007, "invalid_utf8"),
            (whole(Opcode::Text, b"\"\xff\""), 1_007, "invalid_utf8"),
        ];
        for (bytes, code, reason) in violations {
            let (mira, otto) = (game.enter("mira"), game.enter("otto"));
            let seat = mira.create_room("tide-pool", "Mira");
            otto.join("tide-pool", &seat.room_code, "Otto");
            mira.takes_all();
            mira.says("Ping").sends_bytes(&bytes).says("Ping");
            mira.expects(json!({"type": "Pong"}));
            assert_eq!(
                mira.next_frame(),
                Frame::Close(Some(code), reason.to_owned()),
                "for {bytes:x?}"
            );
            mira.expects_nothing();
            otto.expects_departure(&seat);
            // What follows a violation cannot be read, not even an answer to the close.
            game.advance_ms(4_000);
            mira.expects_end();
            otto.vanishes();
        }
    });
}

#[test]
fn too_many_pieces_end_the_connection() {
    let few = || Setup::default().with(|settings| settings.messages.max_fragments = 4);
    in_every_schedule(few, |game| {
        let mira = game.enter("mira");
        let in_pieces = |count: usize| {
            mira.sends_frame(Opcode::Text, false, PING);
            for _ in 2..count {
                mira.sends_frame(Opcode::Continuation, false, b" ");
            }
            mira.sends_frame(Opcode::Continuation, true, b" ");
        };
        in_pieces(4);
        mira.expects(json!({"type": "Pong"}));
        in_pieces(5);
        assert_eq!(
            mira.next_frame(),
            Frame::Close(Some(1_009), "inbound_message_too_large".to_owned())
        );
    });
}

#[test]
fn a_refused_connection_is_told_why_and_closed_without_a_code() {
    let full = || {
        let mut setup = Setup::default();
        setup.limits.connections = 1;
        setup
    };
    in_every_schedule(full, |game| {
        let first = game.enter("first");
        let second = game.connect("second");
        second.expects_error("TOO_MANY_CONNECTIONS");
        assert_eq!(second.next_frame(), Frame::Close(None, String::new()));
        second.expects_end();
        first.vanishes();
        game.settle();
        game.enter("third").expects_to_be_served();
    });
}
