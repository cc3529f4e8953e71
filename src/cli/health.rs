//! `--health`: one question to a running server, for probes of containers and service managers.
//!
//! Promises an answer within its deadline, whatever the other side does or leaves undone, and that it reads no more of it
//! than a line. Knows nothing of the server but what it says.

use std::io::{self, Read, Write};
use std::str::FromStr;
use std::time::Duration;

use super::call::{Door, Trust};
use super::exit::Exit;
use crate::config::Config;

/// How long everything may take. The server gives a shard half a second to answer before it calls it silent.
const DEADLINE: Duration = Duration::from_secs(3);

/// What is asked where a URL names no path.
const READINESS: &str = "/readyz";

/// The longest status line that is read.
const LONGEST_LINE: usize = 256;

/// Whom to ask, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    door: Door,
    path: String,
}

impl FromStr for Inquiry {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let (door, path) = Door::parse(url)?;
        let path = path.unwrap_or(READINESS).to_owned();
        Ok(Self { door, path })
    }
}

impl Inquiry {
    /// Whether the server of this configuration, on this machine, takes players in.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            door: Door::of(config),
            path: READINESS.to_owned(),
        }
    }

    /// Asks. 0: the answer is 200; 1: it is another, or there is none in time.
    #[must_use]
    pub fn ask(&self) -> Exit {
        match self.status_line() {
            Ok(line) if line.split(' ').nth(1) == Some("200") => {
                Exit::shown(format!("{}: ready\n", self.door.authority))
            }
            Ok(line) => Exit::invalid(format_args!("{} is not ready: {line}", self.door.authority)),
            Err(error) => Exit::invalid(format_args!("{} does not answer: {error}", self.door.authority)),
        }
    }

    fn status_line(&self) -> io::Result<String> {
        self.status_line_over(self.door.open(DEADLINE, Trust::Anybody)?)
    }

    fn status_line_over(&self, mut stream: impl Read + Write) -> io::Result<String> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.path, self.door.authority
        );
        stream.write_all(request.as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() == LONGEST_LINE {
                return Err(io::Error::other("what it says is no HTTP"));
            }
            let mut byte = [0];
            if stream.read(&mut byte)? == 0 {
                return Err(io::Error::other("it ended the connection"));
            }
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.starts_with("HTTP/1.") {
            Ok(line)
        } else {
            Err(io::Error::other("what it says is no HTTP"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
    use std::thread;

    use super::*;
    use crate::config::ProxyProtocol;

    fn inquiry(url: &str) -> Result<(String, String), String> {
        let Inquiry { door, path } = url.parse()?;
        Ok((door.authority, path))
    }

    /// What is said to somebody who answers with `answer`, and what was asked.
    fn asked(answer: &'static [u8]) -> (Exit, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}/some/path", listener.local_addr().expect("bound"));
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            stream.write_all(answer).expect("sent");
            String::from_utf8(request).expect("text")
        });
        let exit = url.parse::<Inquiry>().expect("a URL").ask();
        (exit, serving.join().expect("served"))
    }

    #[test]
    fn a_url_names_host_port_and_path() {
        let named = |authority: &str, path: &str| Ok((authority.to_owned(), path.to_owned()));
        assert_eq!(inquiry("http://localhost:3536"), named("localhost:3536", "/readyz"));
        assert_eq!(inquiry("http://[::1]:3536/health"), named("[::1]:3536", "/health"));
        assert_eq!(
            inquiry("http://relay.example/health"),
            named("relay.example:80", "/health")
        );
        assert_eq!(inquiry("http://[::1]/"), named("[::1]:80", "/"));
        assert_eq!(inquiry("https://relay.example"), named("relay.example:443", "/readyz"));
        for wrong in [
            "localhost:3536",
            "wss://localhost",
            "http://",
            "http:///health",
            "http://a b/",
            "http://u@h/",
        ] {
            assert!(inquiry(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_url_the_server_of_the_configuration_is_asked() {
        let mut config = Config::default();
        assert_eq!(Inquiry::of(&config).door.authority, "127.0.0.1:3536");
        config.bind = Ipv6Addr::UNSPECIFIED.into();
        assert_eq!(Inquiry::of(&config).door.authority, "[::1]:3536");
        for (protocol, introduction) in [
            (ProxyProtocol::Off, ""),
            (ProxyProtocol::Optional, ""),
            (ProxyProtocol::Required, "PROXY UNKNOWN\r\n"),
        ] {
            config.security.proxy_protocol = protocol;
            assert_eq!(Inquiry::of(&config).door.introduction, introduction);
        }
        config.control.bind = Some(Ipv4Addr::UNSPECIFIED.into());
        config.control.port = Some(9000);
        assert_eq!(Inquiry::of(&config).door.authority, "127.0.0.1:9000");
        assert_eq!(
            Inquiry::of(&config).door.introduction,
            "",
            "the operators' door takes none"
        );
    }

    #[test]
    fn only_200_is_ready() {
        let (exit, request) = asked(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(exit.code, 0, "{exit:?}");
        assert!(
            request.starts_with("GET /some/path HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{request}"
        );
        let (exit, _) = asked(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert!(exit.code == 1 && exit.stderr.contains("503"), "{exit:?}");
        let (exit, _) = asked(b"HTTP/1.1 2000\r\n");
        assert_eq!(exit.code, 1, "{exit:?}");
    }

    #[test]
    fn whoever_says_nothing_or_nonsense_is_not_ready() {
        let (exit, _) = asked(b"");
        assert!(exit.stderr.contains("ended the connection"), "{exit:?}");
        let (exit, _) = asked(&[b'x'; 4_096]);
        assert!(exit.stderr.contains("no HTTP"), "{exit:?}");
        let (exit, _) = asked(b"200 200 200\r\n");
        assert!(exit.stderr.contains("no HTTP"), "{exit:?}");
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", nobody.local_addr().expect("bound"));
        drop(nobody);
        let exit = url.parse::<Inquiry>().expect("a URL").ask();
        assert!(exit.code == 1 && exit.stderr.contains("does not answer"), "{exit:?}");
    }

    #[test]
    fn whoever_never_answers_is_given_up() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("bound"));
        let exit = url.parse::<Inquiry>().expect("a URL").ask();
        assert!(exit.stderr.contains("nothing came within 3 s"), "{exit:?}");
    }
}
