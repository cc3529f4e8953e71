//! Against servers of this machine that answer as they please.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

/// Serves each connection with `serve`, on a thread of its own, for as long as the test lives.
fn server(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Uri {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}/check?a=1", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    url.parse().expect("a URL")
}

/// The next request on a connection: its head and its body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    let head = String::from_utf8(read).expect("a head").to_lowercase();
    let length = head.split_once("content-length: ").expect("a length").1;
    let length = length.split_once("\r\n").expect("a line").0.parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn say(stream: &mut TcpStream, status: &str, fields: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Whoever asked may have given up.
    let _ = stream.write_all(answer.as_bytes());
}

fn destination(url: Uri) -> Destination {
    Destination {
        url,
        ca_path: None,
        timeout: Duration::from_secs(10),
        requests: 4,
        answer_bytes: 64,
        headers: vec![(header::AUTHORIZATION, HeaderValue::from_static("Bearer open-sesame"))],
    }
}

fn run<T>(doing: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(doing)
}

/// Posts one after the other, over one way.
fn post(destination: Destination, times: usize) -> Vec<Result<Answer, PostError>> {
    run(async {
        let outbound = Outbound::new(destination).expect("a way");
        let mut answers = Vec::new();
        for _ in 0..times {
            let named = (HeaderName::from_static("x-event"), HeaderValue::from_static("7"));
            answers.push(outbound.post(Bytes::from_static(b"{\"a\":1}"), &[named]).await);
        }
        answers
    })
}

/// A server that tells which connection, by its number, brought which request, and answers it.
fn echoing() -> (Uri, Receiver<(u16, String, Vec<u8>)>) {
    let (sender, receiver) = channel();
    let url = server(move |mut stream| {
        let peer = stream.peer_addr().expect("connected").port();
        while let Some((head, body)) = request(&mut stream) {
            sender.send((peer, head, body)).expect("the test lives");
            say(&mut stream, "200 OK", "", "{}");
        }
    });
    (url, receiver)
}

#[test]
fn what_is_posted_arrives_with_its_headers_and_connections_are_used_again() {
    let (url, received) = echoing();
    for answer in post(destination(url), 3) {
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"{}"[..]));
    }
    let requests: Vec<_> = received.try_iter().collect();
    let (peer, head, body) = &requests[0];
    assert!(head.starts_with("post /check?a=1 http/1.1\r\n"), "{head}");
    for field in [
        "content-type: application/json\r\n",
        "authorization: bearer open-sesame\r\n",
        "x-event: 7\r\n",
        "user-agent: signal-fish-relay/",
    ] {
        assert!(head.contains(field), "{field} in {head}");
    }
    assert_eq!(body, b"{\"a\":1}");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|(other, _, _)| other == peer), "one connection");
}

#[test]
fn whoever_hangs_up_is_asked_once_more() {
    let tried = |answers: usize, times: usize| {
        let (sender, receiver) = channel();
        // Each connection is good for so many answers, and for one request more.
        let url = server(move |mut stream| {
            for number in 0.. {
                let Some(_) = request(&mut stream) else { break };
                sender.send(()).expect("the test lives");
                if number == answers {
                    break;
                }
                say(&mut stream, "200 OK", "", "{}");
            }
        });
        let answered = post(destination(url), times).into_iter().map(|answer| answer.is_ok());
        (answered.collect::<Vec<_>>(), receiver.try_iter().count())
    };
    // From the second on each is sent first on a connection that ends.
    assert_eq!(tried(1, 3), (vec![true; 3], 5));
    assert_eq!(tried(0, 1), (vec![false], 2), "not again and again");
}

#[test]
fn a_redirect_is_an_answer_and_leads_nowhere() {
    let (elsewhere, received) = echoing();
    let url = server(move |mut stream| {
        request(&mut stream);
        say(
            &mut stream,
            "307 Temporary Redirect",
            &format!("location: {elsewhere}\r\n"),
            "",
        );
    });
    let answers = post(destination(url), 1);
    let answer = answers[0].as_ref().expect("an answer");
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert!(received.try_recv().is_err(), "nobody went there");
}

#[test]
fn an_answer_that_nobody_asked_for_answers_nothing() {
    let url = server(|mut stream| {
        while request(&mut stream).is_some() {
            let one = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}");
            let _ = stream.write_all((one("1") + &one("2")).as_bytes());
        }
    });
    for answer in post(destination(url), 4) {
        // Whoever finds the other on its connection may have none at all.
        assert!(answer.ok().is_none_or(|answer| &answer.body[..] == b"1"));
    }
}

#[test]
fn no_answer_is_read_beyond_its_bound() {
    let exact = server(|mut stream| {
        request(&mut stream);
        say(&mut stream, "200 OK", "", &"x".repeat(64));
    });
    assert_eq!(post(destination(exact), 1)[0].as_ref().expect("it fits").body.len(), 64);
    let endless = server(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"10\r\n0123456789abcdef\r\n").is_ok() {}
    });
    assert!(matches!(post(destination(endless), 1)[0], Err(PostError::TooLarge)));
}

#[test]
fn time_is_up_whatever_it_was_spent_on() {
    let soon = |url| Destination {
        timeout: Duration::from_millis(100),
        ..destination(url)
    };
    let hold = |stream: TcpStream| {
        thread::park();
        drop(stream);
    };
    assert!(
        matches!(post(soon(server(hold)), 1)[0], Err(PostError::Late)),
        "before an answer"
    );
    let halfway = server(move |mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{");
        hold(stream);
    });
    assert!(matches!(post(soon(halfway), 1)[0], Err(PostError::Late)), "within one");
    let results = run(async {
        let outbound = Outbound::new(Destination {
            requests: 1,
            ..soon(server(hold))
        });
        let outbound = outbound.expect("a way");
        tokio::join!(outbound.post(Bytes::new(), &[]), outbound.post(Bytes::new(), &[]))
    });
    assert!(
        matches!(results, (Err(PostError::Late), Err(PostError::Late))),
        "waiting for a place"
    );
}

#[test]
fn no_more_requests_are_under_way_than_may_be() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let url = server(move |mut stream| {
        while request(&mut stream).is_some() {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
            say(&mut stream, "200 OK", "", "{}");
        }
    });
    run(async {
        let outbound = Arc::new(Outbound::new(destination(url)).expect("a way"));
        let posts: Vec<_> = (0..20)
            .map(|_| {
                let outbound = Arc::clone(&outbound);
                tokio::spawn(async move { outbound.post(Bytes::from_static(b"{}"), &[]).await })
            })
            .collect();
        for post in posts {
            post.await.expect("no panic").expect("an answer");
        }
    });
    assert_eq!(seen.load(Ordering::SeqCst), 4);
}

#[test]
fn nobody_there_is_said_and_no_text_has_a_credential() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}/", closed.local_addr().expect("bound"));
    drop(closed);
    let destination = destination(url.parse().expect("a URL"));
    let outbound = Outbound::new(destination.clone()).expect("a way");
    let error = post(destination, 1).remove(0).expect_err("nobody is there");
    assert!(
        matches!(&error, PostError::Unreachable(why) if why.contains("refused")),
        "{error}"
    );
    assert!(!format!("{outbound:?}{error:?}{error}").contains("sesame"));
}

#[test]
fn what_this_machine_lacks_is_not_the_others_fault() {
    let within = |code| io::Error::other(io::Error::from_raw_os_error(code));
    for code in EXHAUSTED {
        let told = no_answer(&within(code));
        assert!(matches!(told, PostError::Exhausted(_)), "{code}: {told}");
    }
    let told = no_answer(&within(libc::ECONNREFUSED));
    assert!(matches!(told, PostError::Unreachable(_)), "{told}");
}

#[test]
fn authorities_that_cannot_be_read_are_told_by_their_file() {
    let missing = Destination {
        ca_path: Some("/nowhere/ca.pem".into()),
        ..destination("https://localhost/".parse().expect("a URL"))
    };
    let error = Outbound::new(missing.clone()).expect_err("no such file");
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    let in_the_clear = Destination {
        url: "http://localhost/".parse().expect("a URL"),
        ..missing
    };
    Outbound::new(in_the_clear).expect("it needs none");
}

#[test]
fn a_server_is_trusted_for_its_authority_and_its_name() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let terms = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    let terms = std::sync::Arc::new(terms);
    let url = server(move |mut stream| {
        let mut session = rustls::ServerConnection::new(std::sync::Arc::clone(&terms)).expect("a session");
        let mut tls = rustls::Stream::new(&mut session, &mut stream);
        let mut byte = [0];
        let mut read = Vec::new();
        while !read.ends_with(b"{}") {
            match tls.read(&mut byte) {
                Ok(1) => read.push(byte[0]),
                _ => return,
            }
        }
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    });
    let port = url.port_u16().expect("a port");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), made.cert.pem()).expect("written");
    let ask = |host: &str, ca_path: Option<PathBuf>| {
        let destination = Destination {
            url: format!("https://{host}:{port}/").parse().expect("a URL"),
            ca_path,
            ..destination(url.clone())
        };
        let Ok(outbound) = Outbound::new(destination) else {
            return false; // this system trusts nobody
        };
        run(outbound.post(Bytes::from_static(b"{}"), &[])).is_ok()
    };
    let ours = Some(file.path().to_owned());
    assert!(ask("localhost", ours.clone()), "vouched for");
    assert!(!ask("127.0.0.1", ours), "under another name");
    assert!(!ask("localhost", None), "by nobody whom the system knows");
}
