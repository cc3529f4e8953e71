//! The index of the scripts, `tests/scripts/INDEX.md`, read and compared with the scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a row says instead of scripts when it has none.
const LEFT_OUT: &str = "left out: ";

/// Scripts of version 3 are no rows of version 2's tables.
const OTHER_VERSION: &str = "v3_";

/// One table of the index.
struct Table<'a> {
    name: &'a str,
    rows: Vec<(&'a str, &'a str)>,
}

/// Compares the index with the scripts beside it. Returns the names of the rows of one table.
///
/// # Errors
///
/// Everything in which they differ.
pub fn compare(directory: &Path, wanted_table: &str) -> Result<Vec<String>, Vec<String>> {
    let index = fs::read_to_string(directory.join("INDEX.md")).expect("the index is there");
    let scripts = sources(directory);
    let mut wrong = Vec::new();
    let tables: Vec<Table<'_>> = index
        .split("\n## ")
        .skip(1)
        .map(|part| table(part, &mut wrong))
        .collect();
    let mut named = BTreeSet::new();
    for (table, (row, covered)) in tables
        .iter()
        .flat_map(|table| table.rows.iter().map(move |row| (table, row)))
    {
        if covered.starts_with(LEFT_OUT) {
            continue;
        }
        let names: Vec<&str> = quoted(covered).collect();
        if names.is_empty() {
            wrong.push(format!("{}: {row}: neither a script nor a reason", table.name));
        }
        for name in &names {
            if !scripts.contains_key(*name) {
                wrong.push(format!("{}: {row}: there is no script {name}", table.name));
            }
        }
        for word in quoted(row) {
            let occurs = |name: &&str| scripts.get(*name).is_some_and(|source| source.contains(word));
            if !names.iter().any(occurs) {
                wrong.push(format!("{}: {row}: {word} occurs in none of its scripts", table.name));
            }
        }
        named.extend(names);
    }
    let own = || scripts.iter().filter(|(name, _)| !name.starts_with(OTHER_VERSION));
    for (name, _) in own().filter(|(name, _)| !named.contains(name.as_str())) {
        wrong.push(format!("{name}.script is in no row"));
    }
    let rows = tables.iter().map(|table| table.rows.len()).sum::<usize>();
    let left_out = tables.iter().map(left_out).sum::<usize>();
    let steps = own().map(|(_, source)| steps(source)).sum::<usize>();
    let total = format!(
        "\n{} tables with {rows} rows, {left_out} of them left out; {} scripts with {steps} steps.\n",
        tables.len(),
        own().count(),
    );
    if !index.contains(&total) {
        wrong.push(format!("the sums are:{total}"));
    }
    let wanted = tables.iter().find(|table| table.name == wanted_table);
    let wanted = wanted.unwrap_or_else(|| panic!("there is no table {wanted_table}"));
    let rows = wanted.rows.iter().map(|(row, _)| row.replace('`', "")).collect();
    if wrong.is_empty() { Ok(rows) } else { Err(wrong) }
}

fn sources(directory: &Path) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("the scripts are there") {
        let path = entry.expect("a directory can be read").path();
        if path.extension().is_some_and(|it| it == "script") {
            let name = path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            sources.insert(name, fs::read_to_string(&path).expect("a script is text"));
        }
    }
    sources
}

/// A chapter: its name, its counts, its rows.
fn table<'a>(part: &'a str, wrong: &mut Vec<String>) -> Table<'a> {
    let (name, rest) = part.split_once('\n').expect("a chapter has a name");
    let cells = |line: &'a str| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ");
    let rows: Vec<_> = rest.lines().filter_map(cells).skip(1).collect();
    let table = Table { name, rows };
    let counts = match left_out(&table) {
        0 => format!("\n{} rows\n", table.rows.len()),
        left_out => format!("\n{} rows, {left_out} left out\n", table.rows.len()),
    };
    if !rest.contains(&counts) {
        wrong.push(format!("{name}: the counts are:{counts}"));
    }
    table
}

fn left_out(table: &Table<'_>) -> usize {
    table
        .rows
        .iter()
        .filter(|(_, covered)| covered.starts_with(LEFT_OUT))
        .count()
}

fn steps(source: &str) -> usize {
    source.lines().filter(|line| line.starts_with("## ")).count()
}

/// The texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
