//! Building the load tester does not build anew what the relay needs, nor the other way round: crates that both need have
//! the same features in both. Cargo unites features only among what is built together.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Features = BTreeMap<String, BTreeSet<String>>;

/// All crates that a package is built of, with their features.
fn features_of(package: &str) -> Features {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--quiet",
            "--locked",
            "--offline",
            "--package",
            package,
            "--edges",
            "normal,build",
        ])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{output:?}");
    let mut crates = Features::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let (name, features) = line.split_once('|').expect("the format that was asked for");
        let features = features
            .split(',')
            .filter(|feature| !feature.is_empty())
            .map(str::to_owned);
        crates.entry(name.to_owned()).or_default().extend(features);
    }
    crates
}

#[test]
fn crates_of_both_programs_have_the_same_features() {
    let (relay, tester) = (features_of("signal-fish-relay"), features_of("signal-fish-loadtest"));
    let mut shared = 0;
    let mut missing = Vec::new();
    for (name, of_relay) in &relay {
        let Some(of_tester) = tester.get(name) else { continue };
        shared += 1;
        for (manifest, wanted, there) in [
            ("loadtest/Cargo.toml", of_relay, of_tester),
            ("Cargo.toml", of_tester, of_relay),
        ] {
            let lacking: Vec<_> = wanted.difference(there).collect();
            if !lacking.is_empty() {
                missing.push(format!("{manifest}: {name} should have the features {lacking:?}"));
            }
        }
    }
    assert!(shared > 20, "{shared}");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
