//! The listing of all families in the documentation.

use std::fmt::Write;

use super::absent::ABSENT;
use super::family::Catalogue;

const IN_MEMORY: &str = "writing to memory cannot fail";

/// The tables of the documentation: every family with what it tells, and those that have no meaning here.
#[must_use]
pub fn listing(catalogue: &Catalogue) -> String {
    let mut text = String::new();
    for chapter in catalogue.chapters() {
        writeln!(
            text,
            "### {}\n\n| Name | Kind | Labels | What it tells |\n|---|---|---|---|",
            chapter.title
        )
        .expect(IN_MEMORY);
        for family in &chapter.families {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = labels.join(", ");
            writeln!(
                text,
                "| `{}` | {} | {labels} | {} |",
                family.name,
                family.kind.name(),
                family.help
            )
            .expect(IN_MEMORY);
        }
        text.push('\n');
    }
    text.push_str("### Not here\n\n| Name | Why |\n|---|---|\n");
    for absent in ABSENT {
        writeln!(text, "| `signal_fish_{}` | {} |", absent.name, absent.why).expect(IN_MEMORY);
    }
    text
}
