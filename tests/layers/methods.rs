//! Which file defines which method of which type.

use std::collections::{BTreeMap, HashMap};

use syn::{ImplItem, Item, ItemImpl, Type};

use crate::scope::{FileId, Scope, Target};
use crate::sources::{ModulePath, Sources, child_of, is_for_tests};
use crate::uses;

/// The inherent methods and constants of all types of a crate.
#[derive(Default)]
pub struct Methods {
    /// By type and name: the files that define it, more than one where blocks differ by their parameters.
    files: HashMap<(ModulePath, String), Vec<FileId>>,
    counts: BTreeMap<ModulePath, usize>,
}

impl Methods {
    pub fn of(sources: &Sources, scope: &Scope) -> Self {
        let mut methods = Self::default();
        for (file, source) in sources.files.iter().enumerate() {
            methods.add(scope, file, &source.module, &source.syntax.items);
        }
        methods
    }

    fn add(&mut self, scope: &Scope, file: FileId, module: &ModulePath, items: &[Item]) {
        for item in items.iter().filter(|item| !is_for_tests(uses::attributes_of(item))) {
            match item {
                Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        self.add(scope, file, &child_of(module, &item.ident.to_string()), items);
                    }
                }
                Item::Impl(block) if block.trait_.is_none() => {
                    if let Some(owner) = type_of(scope, module, block) {
                        self.add_block(file, &owner, block);
                    }
                }
                _ => {}
            }
        }
    }

    fn add_block(&mut self, file: FileId, owner: &ModulePath, block: &ItemImpl) {
        for item in &block.items {
            let name = match item {
                ImplItem::Fn(method) if !is_for_tests(&method.attrs) => {
                    *self.counts.entry(owner.clone()).or_default() += 1;
                    &method.sig.ident
                }
                ImplItem::Const(constant) => &constant.ident,
                _ => continue,
            };
            let files = self.files.entry((owner.clone(), name.to_string())).or_default();
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }

    /// The one file that defines `name` for a type.
    pub fn file_of(&self, owner: &ModulePath, name: &str) -> Option<FileId> {
        match self.files.get(&(owner.clone(), name.to_owned()))?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The types of this name that have methods.
    pub fn types_called<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ModulePath> {
        let is_called = move |owner: &&ModulePath| owner.last().is_some_and(|last| last == name);
        self.counts.keys().filter(is_called)
    }

    /// How many methods each type has.
    pub fn counts(&self) -> impl Iterator<Item = (String, usize)> {
        self.counts.iter().map(|(owner, count)| (owner.join("::"), *count))
    }
}

/// The type that a block is for, where it is one of the crate's own.
pub fn type_of(scope: &Scope, module: &ModulePath, block: &ItemImpl) -> Option<ModulePath> {
    let Type::Path(written) = &*block.self_ty else {
        return None;
    };
    let segments: Vec<String> = written
        .path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    match scope.resolve(module, &segments)? {
        Target::Item { path, .. } => Some(path),
        Target::Module => None,
    }
}
