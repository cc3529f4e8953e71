//! The bands of the server, for people to read: how high each folder stands, and what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::circles::Files;
use crate::survey::Survey;

/// Types with more methods than this are worth a line.
const MANY_METHODS: usize = 40;

/// Each folder with its floor (the longest way down from it) and its files with their lines, the lowest first; then the
/// types with many methods. The files of a folder that has folders in it stand each on a floor of their own.
pub fn told(survey: &Survey) -> String {
    let files = Files::of(survey);
    let outer: BTreeSet<&str> = survey
        .files
        .iter()
        .filter_map(|file| folder(folder(&file.path)?))
        .collect();
    let place = |path| folder(path).map(|folder| if outer.contains(folder) { path } else { folder });
    let places = files.folded(place);
    let floors = places.floors();
    let circles = places.cycles();

    let mut bands: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
    for file in &survey.files {
        let (folder, name) = file.path.rsplit_once('/').expect("a file is in a folder");
        let place = place(&file.path).unwrap_or(folder);
        let floor = floors.get(place).copied().unwrap_or(0);
        let mark = if circles.iter().any(|circle| circle.contains(place)) {
            "*"
        } else {
            ""
        };
        bands
            .entry((floor, folder))
            .or_default()
            .push(format!("{name}{mark} {}", file.lines));
    }
    let mut text = "floor  folder: files and their lines; * is in a circle\n".to_owned();
    for ((floor, folder), files) in bands {
        line(&mut text, &format!("{floor:>4}   {folder}: {}", files.join(", ")));
    }
    for (owner, count) in survey.method_counts.iter().filter(|(_, count)| *count > MANY_METHODS) {
        line(&mut text, &format!("{owner} has {count} methods"));
    }
    text
}

fn folder(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
