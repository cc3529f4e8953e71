//! Which name means what in which module, and which file defines it.
//!
//! Owns the module tree with its definitions and imports. Promises to follow imports and re-exports to the file that
//! defines a name. Knows nothing of privacy: what compiles is allowed to see what it names.

use std::collections::HashMap;

use syn::visit::{self, Visit};
use syn::{Item, ItemUse};

use crate::sources::{ModulePath, Sources, child_of, is_for_tests};
use crate::uses::{self, Leaf};

/// A file's place in [`Sources::files`].
pub type FileId = usize;

/// More re-exports than anybody follows.
const MAX_STEPS: usize = 32;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Module,
    /// Something that a file defines.
    Item {
        file: FileId,
        /// Where it is defined, with its name.
        path: ModulePath,
        /// What the path names in it: a variant, a method.
        inner: Option<String>,
    },
}

#[derive(Default)]
struct Module {
    file: FileId,
    defined: Vec<String>,
    imports: HashMap<String, ModulePath>,
    globs: Vec<ModulePath>,
    /// Whether a macro makes items here, whose names nobody can read.
    is_generated: bool,
}

/// All modules of a crate.
pub struct Scope {
    crate_name: String,
    modules: HashMap<ModulePath, Module>,
}

impl Scope {
    pub fn of(sources: &Sources) -> Self {
        let mut scope = Self {
            crate_name: sources.crate_name.clone(),
            modules: HashMap::new(),
        };
        for (file, source) in sources.files.iter().enumerate() {
            scope.add(file, source.module.clone(), &source.syntax.items);
        }
        scope
    }

    fn add(&mut self, file: FileId, path: ModulePath, items: &[Item]) {
        let mut module = Module {
            file,
            ..Module::default()
        };
        for item in items {
            if is_for_tests(uses::attributes_of(item)) {
                continue;
            }
            match item {
                Item::Macro(item) => match &item.ident {
                    Some(name) => module.defined.push(name.to_string()),
                    None => module.is_generated = true,
                },
                Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        self.add(file, child_of(&path, &item.ident.to_string()), items);
                    }
                }
                other => module.defined.extend(uses::name_of(other)),
            }
            InnerImports(&mut module).visit_item(item);
        }
        self.modules.insert(path, module);
    }

    /// What `segments` mean in `module`. `None` for what other crates define, and for names of generics and variables.
    pub fn resolve(&self, module: &ModulePath, segments: &[String]) -> Option<Target> {
        self.walk(self.absolute(module, segments, 0)?, 0)
    }

    /// The same path from the crate's root on, as it is written: re-exports on the way are not followed.
    pub fn absolute(&self, module: &ModulePath, segments: &[String], steps: usize) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        let here = self.modules.get(module)?;
        let start = match first.as_str() {
            "crate" | "$crate" => Vec::new(),
            name if name == self.crate_name => Vec::new(),
            "self" => module.clone(),
            "super" => return self.absolute(&module.split_last()?.1.to_vec(), &with("self", rest), steps),
            name => {
                let child = child_of(module, name);
                let is_module = self.modules.contains_key(&child);
                if is_module && !rest.is_empty() || here.defined.iter().any(|known| known == name) {
                    child
                } else if let Some(import) = here.imports.get(name) {
                    // `use serde;` would look for itself.
                    let is_own = import.first().is_some_and(|first| first == name);
                    if is_own && !self.modules.contains_key(&child) || steps > MAX_STEPS {
                        return None;
                    }
                    self.absolute(module, import, steps + 1)?
                } else if is_module {
                    child
                } else {
                    self.through_globs(module, name, steps)?
                }
            }
        };
        // `super::super`: what comes after a module may go up again.
        if rest.first().is_some_and(|next| next == "super") {
            return self.absolute(&start, rest, steps);
        }
        Some([start.as_slice(), rest].concat())
    }

    /// Follows a path from the root to where its name is defined.
    fn walk(&self, path: ModulePath, steps: usize) -> Option<Target> {
        if steps > MAX_STEPS {
            return None;
        }
        let mut module = Vec::new();
        for (at, name) in path.iter().enumerate() {
            let child = child_of(&module, name);
            let is_module = self.modules.contains_key(&child);
            let is_last = at + 1 == path.len();
            if is_module && !is_last {
                module = child;
                continue;
            }
            let here = self.modules.get(&module)?;
            let rest = &path[at + 1..];
            let item = || Target::Item {
                file: here.file,
                path: child.clone(),
                inner: rest.first().cloned(),
            };
            if here.defined.contains(name) {
                return Some(item());
            }
            if let Some(import) = here.imports.get(name) {
                let start = self.absolute(&module, import, steps + 1)?;
                return self.walk([start.as_slice(), rest].concat(), steps + 1);
            }
            if is_module {
                return Some(Target::Module);
            }
            if let Some(start) = self.through_globs(&module, name, steps + 1) {
                return self.walk([start.as_slice(), rest].concat(), steps + 1);
            }
            return here.is_generated.then(item);
        }
        Some(Target::Module)
    }

    fn through_globs(&self, module: &ModulePath, name: &str, steps: usize) -> Option<ModulePath> {
        if steps > MAX_STEPS {
            return None;
        }
        self.modules.get(module)?.globs.iter().find_map(|glob| {
            let start = self.absolute(module, glob, steps + 1)?;
            let path = child_of(&start, name);
            self.walk(path.clone(), steps + 1).map(|_| path)
        })
    }
}

impl Module {
    fn import(&mut self, item: &ItemUse) {
        for leaf in uses::leaves(item) {
            let Leaf { path, name, .. } = leaf;
            match name {
                Some(name) => drop(self.imports.insert(name, path)),
                None => self.globs.push(path),
            }
        }
    }
}

/// All imports of an item; those inside of functions count as their module's.
struct InnerImports<'a>(&'a mut Module);

impl<'ast> Visit<'ast> for InnerImports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.import(item);
    }

    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(uses::attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }
}

fn with(first: &str, rest: &[String]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(rest.iter().cloned()).collect()
}
