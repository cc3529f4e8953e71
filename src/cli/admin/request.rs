//! Requests to the operators' page of a server.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use thiserror::Error;

use super::shown;
use crate::cli::call::{Door, Trust};
use crate::config::{Config, Secret, TlsConfig};

/// How long an answer may take. A shard that is asked for all its rooms has three seconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// The longest answer that is read.
const LONGEST_ANSWER: u64 = 4 * 1024 * 1024;

/// The most that is read of a token's file.
const LONGEST_TOKEN: u64 = 4_096;

/// Why something was not shown or done.
#[derive(Debug, Error)]
pub(super) enum Fault {
    /// The server does not answer as it should.
    #[error("{authority} does not answer: {source}")]
    NoAnswer {
        /// Where it was asked.
        authority: String,
        /// What happened.
        source: io::Error,
    },
    /// It, or we, say why not.
    #[error("{0}")]
    Said(String),
}

/// A server, and what it is shown.
#[derive(Debug)]
pub(super) struct Server {
    door: Door,
    token: Option<Secret>,
    /// Its certificates, in files; they may be renewed between two questions.
    tls: TlsConfig,
}

impl Server {
    pub(super) fn of(url: Option<&str>, token_file: Option<&Path>, config: &Config) -> Result<Self, String> {
        let door = match url {
            None => Door::of(config),
            Some(url) => match Door::parse(url)? {
                (door, None | Some("/" | "/admin" | "/admin/")) => door,
                (_, Some(path)) => return Err(format!("the URL names a path, {path}: leave it out")),
            },
        };
        let token = match token_file {
            None => config.admin_token().map_err(|error| error.to_string())?,
            Some(path) => Some(token_in(path)?),
        };
        if token.is_some() && !door.is_encrypted && !door.is_on_this_machine() {
            let text = "would carry the token in the clear: use https, or do it on the server's machine";
            return Err(format!("http://{} {text}", door.authority));
        }
        Ok(Self {
            door,
            token,
            tls: config.security.transport.tls.clone(),
        })
    }

    /// Rooms, as they are asked for.
    pub(super) fn rooms(&self, query: &[(&str, &str)]) -> Result<Value, Fault> {
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        self.get(&format!("/rooms?{}", query.join("&")))
    }

    /// One room.
    pub(super) fn room(&self, id: &str) -> Result<Value, Fault> {
        self.get(&format!("/rooms/{id}"))
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask("POST", path, Some(body.to_string()))
    }

    fn ask(&self, method: &str, path: &str, body: Option<String>) -> Result<Value, Fault> {
        let answer = self.answer(method, path, body).map_err(|source| Fault::NoAnswer {
            authority: self.door.authority.clone(),
            source,
        })?;
        let (status, data) = answer;
        if (200..300).contains(&status) {
            return Ok(data);
        }
        Err(Fault::Said(match data["error"].as_str() {
            Some(_) => shown::plain(&data["error"]),
            None => format!(
                "{} answers {status}: is it this server, and this version?",
                self.door.authority
            ),
        }))
    }

    fn answer(&self, method: &str, path: &str, body: Option<String>) -> io::Result<(u16, Value)> {
        let trust = match self.door.is_encrypted {
            true => Trust::Only(certificates(&self.tls)?),
            false => Trust::Anybody,
        };
        let mut stream = self.door.open(DEADLINE, trust)?;
        let mut head = format!(
            "{method} /admin/api{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.door.authority
        );
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {}\r\n", token.expose()));
        }
        let body = body.map_or_else(String::new, |body| {
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
            body
        });
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        stream.flush()?;
        let mut bytes = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut bytes)?;
        parse(&bytes).ok_or_else(|| io::Error::other("what it says is no HTTP, or not whole"))
    }
}

/// The status and the body of an answer that says how long it is.
fn parse(bytes: &[u8]) -> Option<(u16, Value)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let body = bytes.get(end + 4..end + 4 + length.unwrap_or(0))?;
    // What is no JSON comes from somebody else.
    Some((status, serde_json::from_slice(body).unwrap_or(Value::Null)))
}

fn token_in(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text))
        .map_err(|error| format!("the token cannot be read from {path:?} ({error})"))?;
    let text = text.trim_end();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "there is no token in {path:?}: one line of printable ASCII without spaces"
        ));
    }
    Ok(Secret::new(text))
}

/// The first certificate of each of the configuration's files.
fn certificates(tls: &TlsConfig) -> io::Result<Vec<CertificateDer<'static>>> {
    let own = tls.certificate_path.iter();
    let paths = own.chain(tls.certificates.iter().map(|pair| &pair.certificate_path));
    let mut found = Vec::new();
    for path in paths {
        let first = CertificateDer::pem_file_iter(path).ok().and_then(|mut all| all.next());
        let first = first.and_then(Result::ok);
        found.push(first.ok_or_else(|| io::Error::other(format!("there is no certificate in {path:?}")))?);
    }
    if found.is_empty() {
        return Err(io::Error::other(
            "this configuration names no certificate by which the server could be told from others: use that of the server",
        ));
    }
    Ok(found)
}

/// A value as it may stand in a query.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_does_not_leave_this_machine_in_the_clear() {
        let mut config = Config::default();
        let refusal = |url: &str, config: &Config| Server::of(Some(url), None, config).err();
        assert_eq!(refusal("http://relay.example:3536", &config), None, "there is no token");
        config.control.admin_token = Some(Secret::new("sixteen-characters"));
        let text = refusal("http://relay.example:3536", &config).expect("refused");
        assert!(text.contains("in the clear") && !text.contains("sixteen"), "{text}");
        for url in [
            "http://localhost:3536",
            "http://127.0.0.1",
            "http://[::1]:1/",
            "https://relay.example/admin/",
        ] {
            assert_eq!(refusal(url, &config), None, "{url}");
        }
        assert!(refusal("http://localhost/metrics", &config).is_some());
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        assert_eq!(parse(whole), Some((200, json!({"a": 1}))));
        assert_eq!(parse(&whole[..whole.len() - 1]), None);
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, Value::Null)));
        assert_eq!(parse(b"SSH-2.0\r\n\r\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_query_holds_nothing_that_ends_it() {
        assert_eq!(escaped("a b&c=d/é"), "a%20b%26c%3Dd%2F%C3%A9");
    }
}
