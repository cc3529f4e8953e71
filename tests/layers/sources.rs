//! The files of a crate, found as the compiler finds them: from its root, by `mod`.
//!
//! Owns what was read: text, syntax and place in the module tree. Promises to leave out what is built for tests only.

use std::path::Path;

use syn::{Attribute, Item, ItemMod};

/// A module's path from the crate's root.
pub type ModulePath = Vec<String>;

/// One file and what is in it.
pub struct SourceFile {
    /// Its path from the repository's root.
    pub path: String,
    pub module: ModulePath,
    pub text: String,
    pub syntax: syn::File,
}

/// All files of a crate.
pub struct Sources {
    /// How other crates of the package, its binary for one, call it.
    pub crate_name: String,
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// Reads a crate below `repository`, from its root file on.
    pub fn of_crate(repository: &Path, crate_name: &str, root: &str) -> Self {
        let mut sources = Self::empty(crate_name);
        sources.read(root, Vec::new(), &|path| {
            std::fs::read_to_string(repository.join(path)).ok()
        });
        sources
    }

    /// Adds a file beside the crate's root that nothing declares: the root of a binary.
    pub fn with_binary(mut self, repository: &Path, path: &str) -> Self {
        let module = vec![stem(path).to_owned()];
        self.read(path, module, &|path| {
            std::fs::read_to_string(repository.join(path)).ok()
        });
        self
    }

    /// A crate that exists in a test only. The first file is its root.
    pub fn made_up(texts: &[(&str, &str)]) -> Self {
        let mut sources = Self::empty("made_up");
        let find = |path: &str| texts.iter().find(|(name, _)| *name == path);
        sources.read(texts[0].0, Vec::new(), &|path| {
            find(path).map(|(_, text)| (*text).to_owned())
        });
        assert_eq!(sources.files.len(), texts.len(), "every file is declared");
        sources
    }

    fn empty(crate_name: &str) -> Self {
        Self {
            crate_name: crate_name.to_owned(),
            files: Vec::new(),
        }
    }

    fn read(&mut self, path: &str, module: ModulePath, load: &dyn Fn(&str) -> Option<String>) {
        let text = load(path).unwrap_or_else(|| panic!("{path} cannot be read"));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let folder = folder_of_children(path);
        let mut declared = Vec::new();
        declarations(&syntax.items, &module, &folder, &mut declared);
        self.files.push(SourceFile {
            path: path.to_owned(),
            module,
            text,
            syntax,
        });
        for (child, place) in declared {
            let file = format!("{place}.rs");
            let path = if load(&file).is_some() {
                file
            } else {
                format!("{place}/mod.rs")
            };
            self.read(&path, child, load);
        }
    }
}

/// Finds what the items declare to be in files of their own: each module with its place, but for `.rs` or `/mod.rs`.
fn declarations(items: &[Item], module: &ModulePath, folder: &str, found: &mut Vec<(ModulePath, String)>) {
    for item in items {
        let Item::Mod(ItemMod {
            attrs, ident, content, ..
        }) = item
        else {
            continue;
        };
        if is_for_tests(attrs) {
            continue;
        }
        let child = child_of(module, &ident.to_string());
        let place = format!("{folder}/{ident}");
        match content {
            None => found.push((child, place)),
            Some((_, items)) => declarations(items, &child, &place, found),
        }
    }
}

/// The path of a module's child.
pub fn child_of(module: &ModulePath, name: &str) -> ModulePath {
    let mut child = module.clone();
    child.push(name.to_owned());
    child
}

fn folder_of_children(path: &str) -> String {
    let (folder, _) = path.rsplit_once('/').expect("a file is in a folder");
    match stem(path) {
        "lib" | "main" | "mod" => folder.to_owned(),
        stem => format!("{folder}/{stem}"),
    }
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".rs").unwrap_or(name)
}

/// Whether something is built for tests only: `#[test]`, or `#[cfg(…)]` with `test` in it, but not `not(test)`.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let Ok(list) = attribute.meta.require_list() else {
            return false;
        };
        let condition = list.tokens.to_string();
        let words = || condition.split(|char: char| !char.is_alphanumeric() && char != '_');
        list.path.is_ident("cfg") && words().any(|word| word == "test") && words().all(|word| word != "not")
    })
}
