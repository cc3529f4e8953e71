//! Every query of the dashboards and alerts that are delivered finds something on a real server's page, and every alert tells
//! what to do.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::metrics_are_read::played;
use crate::support::prometheus::Prometheus;

/// What there is only where TLS is.
const ONLY_WITH_TLS: &str = "signal_fish_tls_certificate_expiry_timestamp_seconds";

fn delivered(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is delivered")
}

/// The queries of a dashboard, as it asks them of all servers.
fn queries_of_dashboard() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&delivered("deploy/grafana/signal-fish-relay.json")).expect("a dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| {
            let query = target["expr"].as_str().expect("a query");
            query.replace("$instance", ".*").replace("$__rate_interval", "1m")
        })
        .collect()
}

/// The same question with an answer for every series, whether it is so or not.
fn told_either_way(query: &str) -> String {
    [" > ", " < ", " == "]
        .iter()
        .fold(query.to_owned(), |query, comparison| {
            query.replace(comparison, &format!("{comparison}bool "))
        })
}

fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Waits until a query finds something.
fn resolve(prometheus: &Prometheus, query: &str) {
    let path = format!("/api/v1/query?query={}", encoded(&told_either_way(query)));
    prometheus.until(&path, |answer| {
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let found = answer["data"]["result"].as_array()?;
        (!found.is_empty()).then_some(())
    });
}

#[test]
#[ignore = "needs prometheus in PATH: .ci/run installs it and includes this test"]
fn every_query_finds_something_and_every_alert_has_its_chapter() {
    let (server, _mira) = played();
    let prometheus = Prometheus::reading(server.address());
    let queries = queries_of_dashboard();
    assert!(queries.len() > 30, "{}", queries.len());
    queries.iter().for_each(|query| resolve(&prometheus, query));
    let rules = prometheus.until("/api/v1/rules", |answer| {
        let rules = answer["data"]["groups"].get(0)?["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    });
    let runbook = delivered("docs/runbook.md");
    for rule in &rules {
        let (name, query) = (
            rule["name"].as_str().expect("a name"),
            rule["query"].as_str().expect("a query"),
        );
        if !query.contains(ONLY_WITH_TLS) {
            resolve(&prometheus, query);
        }
        let told = rule["annotations"]["runbook"].as_str().expect("a chapter");
        assert_eq!(told, format!("docs/runbook.md#{}", name.to_lowercase()));
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name}");
    }
    let chapters = runbook.matches("\n## ").count();
    assert_eq!(
        rules.len(),
        chapters,
        "a chapter for each alert, and an alert for each chapter"
    );
}
