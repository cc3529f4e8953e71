//! What the documents name exists, and what exists is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ErrorCode;
use signal_fish_relay::{metrics, server};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents() -> Vec<PathBuf> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory of the repository") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || name.starts_with("target") {
                continue;
            }
            if path.is_dir() {
                collect(&path, found);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(root(), &mut found);
    found
}

/// The texts in backticks, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 8, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).expect("text");
        let directory = document.parent().expect("a file has a directory");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(directory.join(file).exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn the_first_game_is_the_tested_one() {
    let snippet = read("docs/browser-snippet.js");
    assert!(read("README.md").contains(&format!("```js\n{snippet}```\n")));
}

#[test]
fn every_metric_is_in_the_operators_guide() {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 1;
    config.security.max_connections = 16;
    config.security.max_connections_per_ip = 16;
    let running = server::start(&config).expect("a server of one shard");
    let page = metrics::prometheus_page(running.world());
    running.stopper().stop();
    assert_eq!(running.wait().exit_code(), 0);
    let exported: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(exported.len() > 20, "{page}");
    let guide = read("docs/operating.md");
    let documented = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("signal_fish_"))
        .collect();
    assert_eq!(exported, documented);
}

#[test]
fn every_error_code_has_its_line() {
    let text = read("docs/protocol.md");
    let (_, list) = text.split_once("\n## Error codes\n").expect("the chapter");
    let (list, _) = list.split_once("\n## ").expect("a chapter after it");
    let listed: Vec<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, codes);
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let text = read("docs/architecture.md");
    let (_, chapter) = text.split_once("\n## What must hold\n").expect("the chapter");
    let (chapter, _) = chapter.split_once("\n## ").expect("a chapter after it");
    let is_test = |name: &&str| {
        name.contains('_')
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let (mut tests, mut checked) = (Vec::new(), 0);
    for name in quoted(chapter) {
        if name.ends_with(".rs") {
            let source = read(name);
            for test in tests.drain(..) {
                assert!(source.contains(&format!("fn {test}(")), "{name} has no {test}");
                checked += 1;
            }
        } else if is_test(&name) {
            tests.push(name);
        }
    }
    assert!(tests.is_empty(), "without a file: {tests:?}");
    assert!(checked > 20, "{checked}");
}

#[test]
fn every_deliberate_difference_names_what_guards_it() {
    let text = read("docs/protocol.md");
    let (_, chapter) = text.split_once("\n## Where we differ").expect("the chapter");
    let mut checked = 0;
    for row in chapter.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let guards = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last cell");
        let mut found = false;
        for name in quoted(guards) {
            let path = if name.ends_with(".rs") {
                name.to_owned()
            } else {
                format!("tests/scripts/{name}.script")
            };
            assert!(root().join(&path).exists(), "{row}: there is no {path}");
            found = true;
        }
        assert!(found, "{row}: nothing guards it");
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}
