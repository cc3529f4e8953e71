//! The HTTP side: the upgrade to WebSocket, and the page of counters.

use tungstenite::handshake::derive_accept_key;

/// Longest request head that is waited for.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What a request asks for.
pub(super) enum Greeting {
    /// The head has not arrived completely.
    Incomplete,
    /// A WebSocket; the head is `head` bytes long.
    Upgrade { answer: String, head: usize },
    /// The counters page; the connection ends with the answer.
    Counters,
    /// Anything else; the connection ends with the answer.
    Other(&'static str),
}

/// Reads the request at the start of a connection.
pub(super) fn read(bytes: &[u8]) -> Greeting {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > MAX_HEAD_BYTES {
            Greeting::Other("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n")
        } else {
            Greeting::Incomplete
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let request = lines.next().unwrap_or_default();
    let key = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    match (key, request.split(' ').nth(1)) {
        (Some((_, key)), _) => Greeting::Upgrade {
            answer: format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.trim().as_bytes())
            ),
            head: end + 4,
        },
        (None, Some("/metrics/prom")) => Greeting::Counters,
        (None, _) => Greeting::Other("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

/// The answer that carries the counters page.
pub(super) fn counters_answer(page: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
