//! Answers, as bytes.

use std::fmt::Write;

use super::request::RequestRefusal;

/// The statuses that this server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The upgrade.
    SwitchingProtocols,
    /// The request makes no sense.
    BadRequest,
    /// The page that asks is not one of those that may.
    Forbidden,
    /// There is something there, but not for this method.
    MethodNotAllowed,
    /// The request's head is too large.
    HeadTooLarge,
    /// The server is full, or about to stop.
    ServiceUnavailable,
}

impl Status {
    const fn line(self) -> &'static str {
        match self {
            Self::SwitchingProtocols => "101 Switching Protocols",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::ServiceUnavailable => "503 Service Unavailable",
        }
    }
}

/// An answer under construction.
#[derive(Debug)]
pub struct Response {
    status: Status,
    fields: String,
    body: String,
}

impl Response {
    /// An answer without a body.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self {
            status,
            fields: String::new(),
            body: String::new(),
        }
    }

    /// A text for people.
    #[must_use]
    pub fn text(status: Status, body: impl Into<String>) -> Self {
        Self::new(status).with_body("text/plain; charset=utf-8", body.into())
    }

    /// The answer with a body.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: String) -> Self {
        self.body = body;
        self.field("Content-Type", content_type)
    }

    /// The answer with one more header field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        write!(self.fields, "{name}: {value}\r\n").expect("writing to memory cannot fail");
        self
    }

    /// The answer's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let Self { status, fields, body } = self;
        let mut text = format!("HTTP/1.1 {}\r\n{fields}", status.line());
        if status != Status::SwitchingProtocols {
            write!(text, "Content-Length: {}\r\nConnection: close\r\n", body.len())
                .expect("writing to memory cannot fail");
        }
        text.push_str("\r\n");
        text.push_str(&body);
        text.into_bytes()
    }
}

impl From<RequestRefusal> for Response {
    fn from(refusal: RequestRefusal) -> Self {
        let status = match refusal {
            RequestRefusal::Malformed | RequestRefusal::Http2 | RequestRefusal::Tls | RequestRefusal::ProxyHeader => {
                Status::BadRequest
            }
            RequestRefusal::TooLarge => Status::HeadTooLarge,
        };
        Self::text(status, refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_closes_says_so_and_how_long_it_is() {
        let answer = Response::text(Status::Forbidden, "no").into_bytes();
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert!(
            answer.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\nno"),
            "{answer}"
        );
    }
}
