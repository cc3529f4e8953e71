//! How long files are.

use std::fs;
use std::path::Path;

/// All Rust files below some folders of a repository, with their lines.
pub fn of(repository: &Path, folders: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    folders
        .iter()
        .for_each(|folder| collect(repository, folder, &mut found));
    found.sort();
    found
}

fn collect(repository: &Path, folder: &str, found: &mut Vec<(String, usize)>) {
    let entries = fs::read_dir(repository.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for entry in entries {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let inner = format!("{folder}/{name}");
        if path.is_dir() {
            collect(repository, &inner, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{inner}: {error}"));
            found.push((inner, text.lines().count()));
        }
    }
}

/// The files over the limit, but for those that are being split; and those of them that are not over it any more.
pub fn faults(lengths: &[(String, usize)], most: usize, being_split: &[&str]) -> Vec<String> {
    let is_long = |path: &str| lengths.iter().any(|(known, lines)| known == path && *lines > most);
    let done = being_split.iter().filter(|path| !is_long(path));
    let done = done.map(|path| format!("{path} is not too long any more: it is split"));
    let long = lengths.iter().filter(|(_, lines)| *lines > most);
    let long = long.filter(|(path, _)| !being_split.contains(&path.as_str()));
    let long = long.map(|(path, lines)| format!("{path} has {lines} lines, more than {most}"));
    long.chain(done).collect()
}
