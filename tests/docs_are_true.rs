//! What the documents name exists, and what exists is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use signal_fish_relay::config::Config;
use signal_fish_relay::metrics;
use signal_fish_relay::protocol::ErrorCode;
use signal_fish_relay::server::Server;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the repository with one of these endings. Hidden folders, `.ci` apart, and what was built or
/// fetched are none of it.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    fn collect(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory of the repository") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if (name.starts_with('.') && name != ".ci") || name.starts_with("target") || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                collect(&path, endings, found);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(root(), endings, &mut found);
    found
}

/// The texts in backticks, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names by which the headings of a document are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let words = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    words
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = files(&[".md"]);
    assert!(documents.len() > 8, "{documents:?}");
    let mut fragments = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("text");
        let directory = document.parent().expect("a file has a directory");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                _ => directory.join(file),
            };
            assert!(target.exists(), "{}: {link}", document.display());
            if !fragment.is_empty() {
                let headings = anchors(&fs::read_to_string(&target).expect("text"));
                assert!(headings.contains(fragment), "{}: {link}", document.display());
                fragments += 1;
            }
        }
    }
    assert!(fragments > 3, "{fragments}");
}

/// What a text names below the folders of the repository, from its root on.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 7] = [
        "benches/",
        "deploy/",
        "docs/",
        "examples/",
        "loadtest/",
        "src/",
        "tests/",
    ];
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    text.split(move |c| !is_of_path(c))
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .map(|word| word.trim_end_matches('.'))
}

#[test]
fn every_path_that_is_named_exists() {
    let mut checked = 0;
    // The changelog is history: what it names may be gone. And the checks of the layers are checked by made-up files.
    let mut named = files(&[
        ".md",
        ".rs",
        ".toml",
        ".service",
        ".socket",
        ".cfg",
        ".conf",
        ".yml",
        "Dockerfile",
        "Caddyfile",
        "run",
    ]);
    named.retain(|file| !file.ends_with("CHANGELOG.md") && !file.ends_with("layers/made_up.rs"));
    for file in named {
        for path in paths(&fs::read_to_string(&file).expect("text")) {
            assert!(root().join(path).exists(), "{}: there is no {path}", file.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn every_module_that_is_named_exists() {
    let layers: Vec<_> = fs::read_dir(root().join("src"))
        .expect("the sources")
        .map(|entry| entry.expect("a readable entry").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let mut checked = 0;
    for document in files(&[".md"]) {
        let text = fs::read_to_string(&document).expect("text");
        for name in quoted(&text) {
            let parts: Vec<_> = name.split("::").collect();
            if parts.len() < 2 || !layers.iter().any(|layer| layer == parts[0]) {
                continue;
            }
            let is_module = |part: &&&str| part.starts_with(|c: char| c.is_ascii_lowercase());
            let modules: Vec<_> = parts.iter().take_while(is_module).copied().collect();
            let place = root().join("src").join(modules.join("/"));
            let exists = place.is_dir() || place.with_extension("rs").exists();
            assert!(exists, "{}: there is no {name}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

#[test]
fn one_version_of_rust_is_named_everywhere() {
    let pinned = read("rust-toolchain.toml");
    let (_, pinned) = pinned.split_once("channel = \"").expect("a channel");
    let pinned = pinned.split('"').next().expect("its end");
    let (minor, _) = pinned.rsplit_once('.').expect("three numbers");
    assert!(read("Cargo.toml").contains(&format!("rust-version = \"{minor}\"")));
    assert!(read("deploy/Dockerfile").contains(&format!("FROM rust:{pinned}-")));
    assert!(read("README.md").contains(&format!("Rust {minor} ")));
}

#[test]
fn the_first_game_is_the_tested_one() {
    let snippet = read("docs/browser-snippet.js");
    assert!(read("README.md").contains(&format!("```js\n{snippet}```\n")));
}

#[test]
fn every_metric_is_listed() {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 1;
    config.security.max_connections = 16;
    config.security.max_connections_per_ip = 16;
    let running = Server::builder().config(config).start().expect("a server of one shard");
    let families = metrics::of(&metrics::Reading::unasked(running.world().clone()));
    drop(running.shutdown());
    assert_eq!(running.wait().exit_code(), 0);
    let path = "docs/metrics.md";
    let (before, listed) = {
        let text = read(path);
        let place = text.find("-->\n").expect("the mark before the listing") + "-->\n".len();
        (text[..place].to_owned(), text[place..].to_owned())
    };
    let expected = format!("\n{}", metrics::listing(&families));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(path), before + &expected).expect("the document is ours");
    } else {
        assert!(
            listed == expected,
            "{path} is not what the code has; UPDATE_DOCS=1 writes it:\n{expected}"
        );
    }
    let names: BTreeSet<_> = families.families().map(|family| family.name.as_str()).collect();
    let guide = read("docs/operating.md");
    let named = guide.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    for name in named.filter(|name| name.starts_with("signal_fish_") && *name != "signal_fish_relay") {
        assert!(names.contains(name), "the guide names {name}");
    }
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
    for difference in chapter.split("\n- ").skip(1) {
        let (_, guards) = difference.rsplit_once("Guarded by").expect("what guards it");
        let mut found = false;
        for name in quoted(guards) {
            let path = if name.ends_with(".rs") {
                name.to_owned()
            } else {
                format!("tests/scripts/{name}.script")
            };
            assert!(root().join(&path).exists(), "{difference}: there is no {path}");
            found = true;
        }
        assert!(found, "{difference}: nothing guards it");
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}
