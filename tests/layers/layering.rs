//! No import upwards: each layer names only those that its line in a table allows.

use std::collections::BTreeSet;

use crate::survey::Survey;

/// A top-level module, and the others that it may name.
pub type Layer<'a> = (&'a str, &'a [&'a str]);

/// What breaks the table: names from above, modules without a line, lines without a module.
pub fn faults(survey: &Survey, layers: &[Layer<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    let modules: BTreeSet<&str> = survey.files.iter().filter_map(|file| top(&file.module)).collect();
    for module in &modules {
        if !layers.iter().any(|(layer, _)| layer == module) {
            faults.push(format!("`{module}` is in no layer"));
        }
    }
    for layer in layers
        .iter()
        .flat_map(|(layer, below)| std::iter::once(layer).chain(*below))
    {
        if !modules.contains(layer) {
            faults.push(format!("`{layer}` is a layer and no module"));
        }
    }
    for reference in &survey.references {
        let file = &survey.files[reference.from];
        let (Some(user), Some(used)) = (top(&file.module), top(&reference.path)) else {
            continue;
        };
        let allowed = layers.iter().find(|(layer, _)| *layer == user).map(|(_, below)| *below);
        if user != used && !allowed.is_some_and(|below| below.contains(&used)) {
            let (path, line, name) = (&file.path, reference.line, &reference.name);
            faults.push(format!("{path}:{line} names `{name}`: `{user}` may not use `{used}`"));
        }
    }
    faults
}

fn top(module: &[String]) -> Option<&str> {
    module.first().map(String::as_str)
}
