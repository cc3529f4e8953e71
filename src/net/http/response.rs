//! Answers, as bytes.

use std::fmt::Write;

use super::request::RequestRefusal;

/// The statuses that this server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The upgrade.
    SwitchingProtocols,
    /// Served.
    Ok,
    /// The request makes no sense.
    BadRequest,
    /// The metrics' token is missing or wrong.
    Unauthorized,
    /// The page that asks is not one of those that may.
    Forbidden,
    /// There is nothing there.
    NotFound,
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
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
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

    /// The answer's bytes; a request for the head alone gets the head alone.
    #[must_use]
    pub fn into_bytes(self, head_only: bool) -> Vec<u8> {
        let Self { status, fields, body } = self;
        let mut text = format!("HTTP/1.1 {}\r\n{fields}", status.line());
        if status != Status::SwitchingProtocols {
            write!(text, "Content-Length: {}\r\nConnection: close\r\n", body.len())
                .expect("writing to memory cannot fail");
        }
        text.push_str("\r\n");
        if !head_only {
            text.push_str(&body);
        }
        text.into_bytes()
    }
}

impl From<RequestRefusal> for Response {
    fn from(refusal: RequestRefusal) -> Self {
        let status = match refusal {
            RequestRefusal::Malformed => Status::BadRequest,
            RequestRefusal::TooLarge => Status::HeadTooLarge,
        };
        Self::text(status, refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_announces_the_body_even_when_it_comes_alone() {
        let answer = || Response::text(Status::Ok, "OK");
        let whole = String::from_utf8(answer().into_bytes(false)).expect("text");
        let head = String::from_utf8(answer().into_bytes(true)).expect("text");
        assert!(head.contains("Content-Length: 2\r\n") && head.ends_with("\r\n\r\n"));
        assert_eq!(whole, format!("{head}OK"));
    }
}
