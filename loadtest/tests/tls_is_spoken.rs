//! The generator through TLS: whom it believes, how it resumes, and what it says when something is wrong.

mod authority;
mod program;
mod relay;
mod scratch;
mod terminator;

use std::process::Output;

use authority::Authority;
use program::{execute, run_shortly as run};
use relay::Fault;
use serde_json::Value;
use terminator::Ending;

fn handshakes(url: &str, more: &[&str]) -> (Output, Value) {
    let arguments: Vec<&str> = ["handshakes", "--seconds", "0.3", "--url", url]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    execute(&arguments)
}

fn refused_with(output: &Output, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_ledger_balances_through_tls_in_every_mode() {
    let authority = Authority::new("modes");
    let identity = authority.sign(&["localhost", "127.0.0.1"]);
    let address = terminator::start(&identity, None, relay::start(Fault::None), Ending::Never);
    let url = format!("wss://{address}/v2/ws");
    for (more, suite) in [
        (&["--io", "epoll"][..], "TLS 1.3"),
        (&["--io", "ring", "--tls-version", "1.2"], "TLS 1.2"),
        (&["--io", "ring", "--encoding", "message-pack", "--spin"], "TLS 1.3"),
    ] {
        let more = [more, &["--ca", authority.file.path()]].concat();
        let (output, report) = run(&url, &more);
        assert_eq!(output.status.code(), Some(0), "{more:?}: {output:?}");
        assert_eq!(report["ledger"]["balanced"], true, "{more:?}: {report}");
        let connections = &report["connections"];
        assert_eq!(connections["opened"], 6, "{more:?}: {report}");
        assert_eq!(connections["tls"]["certificate_checked"], true, "{more:?}: {report}");
        let suites = connections["tls"]["suites"].as_object().expect("suites");
        assert!(suites.keys().all(|name| name.starts_with(suite)), "{more:?}: {report}");
        assert!(
            connections["handshake_us"]["p50"].as_f64() > Some(0.0),
            "{more:?}: {report}"
        );
    }
    let closed_loop: Vec<&str> =
        "run --rooms 2 --players 3 --seconds 0.3 --warmup-seconds 0 --closed-loop 4 --insecure --url"
            .split(' ')
            .chain([url.as_str()])
            .collect();
    let (output, report) = execute(&closed_loop);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["connections"]["tls"]["certificate_checked"], false, "{report}");
}

#[test]
fn only_the_right_server_is_believed() {
    let (authority, stranger) = (Authority::new("right"), Authority::new("wrong"));
    let identity = authority.sign(&["games.example"]);
    let behind = relay::start(Fault::None);
    let address = terminator::start(&identity, None, behind, Ending::Never);
    let url = format!("wss://{address}/v2/ws");
    refused_with(&run(&url, &[]).0, "--insecure");
    refused_with(&run(&url, &["--ca", stranger.file.path()]).0, "not signed by --ca");
    refused_with(
        &run(&url, &["--ca", authority.file.path()]).0,
        "--server-name says which",
    );
    let named = ["--ca", authority.file.path(), "--server-name", "games.example"];
    let (output, _) = run(&url, &named);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    refused_with(&run(&format!("ws://{address}/v2/ws"), &[]).0, "wss://");
    refused_with(&run(&format!("wss://{behind}/v2/ws"), &["--insecure"]).0, "TLS");
}

#[test]
fn a_demanded_certificate_is_shown_or_its_lack_is_told() {
    let (authority, stranger) = (Authority::new("demanding"), Authority::new("foreign"));
    let (server, client, foreign) = (
        authority.sign(&["127.0.0.1"]),
        authority.sign(&["us"]),
        stranger.sign(&["them"]),
    );
    let address = terminator::start(&server, Some(&authority), relay::start(Fault::None), Ending::Never);
    let url = format!("wss://{address}/v2/ws");
    let trust = ["--ca", authority.file.path()];
    refused_with(&run(&url, &trust).0, "demands a client certificate");
    let as_stranger = [
        "--client-cert",
        foreign.certificate.path(),
        "--client-key",
        foreign.key.path(),
    ];
    refused_with(
        &run(&url, &[&trust[..], &as_stranger].concat()).0,
        "does not accept our certificate",
    );
    let as_us = [
        "--client-cert",
        client.certificate.path(),
        "--client-key",
        client.key.path(),
    ];
    let (output, report) = run(&url, &[&trust[..], &as_us].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["ledger"]["balanced"], true, "{report}");

    let (output, report) = handshakes(&url, &trust);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let failures = report["failures"].as_object().expect("failures by kind");
    assert!(
        failures.keys().any(|how| how.contains("client certificate")),
        "{report}"
    );
    assert_eq!(report["opened"], 0, "{report}");
}

#[test]
fn handshakes_are_resumed_as_asked_for_and_counted() {
    let authority = Authority::new("resumed");
    let identity = authority.sign(&["127.0.0.1"]);
    let address = terminator::start(&identity, None, relay::start(Fault::None), Ending::Never);
    let url = format!("wss://{address}/v2/ws");
    for (version, upgrade) in [("1.3", false), ("1.3", true), ("1.2", true)] {
        for share in ["0", "0.5", "1"] {
            let mut more = vec![
                "--ca",
                authority.file.path(),
                "--tls-version",
                version,
                "--concurrency",
                "2",
            ];
            more.extend(["--tls-resume", share, "--expect", "failed=0,opened>1/s,open.p99<5s"]);
            more.extend(upgrade.then_some("--upgrade"));
            let (output, report) = handshakes(&url, &more);
            assert_eq!(output.status.code(), Some(0), "{more:?}: {output:?} {report}");
            let (opened, resumed) = (&report["opened"], &report["tls"]["resumed"]);
            let (opened, resumed) = (opened.as_f64().expect("a count"), resumed.as_f64().expect("a count"));
            let wanted = share.parse::<f64>().expect("a share") * opened;
            // The first of each place have nothing to resume.
            assert!((wanted - 4.0..=wanted + 2.0).contains(&resumed), "{more:?}: {report}");
            assert_eq!(
                report["upgrade_us"]["max"].as_f64() > Some(0.0),
                upgrade,
                "{more:?}: {report}"
            );
        }
    }
}

#[test]
fn a_stream_that_is_cut_is_told_apart_from_one_that_ends() {
    let authority = Authority::new("cut");
    let identity = authority.sign(&["127.0.0.1"]);
    for (ending, words) in [
        (
            Ending::WithinRecord { after_bytes: 3000 },
            "in the middle of a TLS record",
        ),
        (Ending::WithoutNotice { after_bytes: 3000 }, "without close_notify"),
    ] {
        let address = terminator::start(&identity, None, relay::start(Fault::None), ending);
        let (output, report) = run(&format!("wss://{address}/v2/ws"), &["--ca", authority.file.path()]);
        assert_eq!(output.status.code(), Some(1), "{ending:?}: {output:?}");
        let ends = report["ledger"]["ends"].to_string();
        assert!(ends.contains(words), "{ending:?}: {report}");
    }
}

#[test]
fn a_record_that_comes_slowly_is_waited_for() {
    let authority = Authority::new("drips");
    let identity = authority.sign(&["127.0.0.1"]);
    let drips = Ending::Drips { after_bytes: 2000 };
    let address = terminator::start(&identity, None, relay::start(Fault::None), drips);
    let url = format!("wss://{address}/v2/ws");
    for io in ["epoll", "ring"] {
        // Everybody's record begins before the last message is sent, and ends long after this.
        let patience = (5 * terminator::DRIP_INTERVAL).as_secs_f64().to_string();
        let more = ["--io", io, "--drain-seconds", &patience, "--ca", authority.file.path()];
        let (output, report) = run(&url, &more);
        assert_eq!(output.status.code(), Some(0), "{io}: {output:?}");
        assert_eq!(report["ledger"]["balanced"], true, "{io}: {report}");
    }
}
