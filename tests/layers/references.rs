//! What the files of a crate name of each other: imports, paths in code and in types, calls of methods.
//!
//! Promises to look into macros by their tokens. Methods are told by name alone, so only calls on `self`, `Self` and on
//! variables whose name says their type are looked at.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprMethodCall, ImplItem, Item, ItemImpl, ItemMod, ItemUse, Macro, Meta, Path, Stmt};
use syn::{VisRestricted, Visibility};

use crate::methods::{Methods, type_of};
use crate::scope::{FileId, Scope, Target};
use crate::sources::{ModulePath, Sources, is_for_tests};
use crate::uses;

/// Variables that always hold the same type.
const TELLING_VARIABLES: &[(&str, &str)] = &[("shard", "Shard")];

/// One mention of something in the same crate.
#[derive(Debug, Clone)]
pub struct Reference {
    pub from: FileId,
    pub line: usize,
    /// What is named, as it is written.
    pub name: String,
    /// The path from the root, as it is written; empty for a method.
    pub path: ModulePath,
    /// The file that defines it, if that is another.
    pub to: Option<FileId>,
    /// Whether it is a `pub use` of something below the module.
    pub is_face: bool,
}

/// Everything that the files of a crate name of each other.
pub fn of(sources: &Sources, scope: &Scope, methods: &Methods) -> Vec<Reference> {
    let mut found = Vec::new();
    for (file, source) in sources.files.iter().enumerate() {
        let mut reader = Reader {
            scope,
            methods,
            file,
            module: source.module.clone(),
            owner: None,
            found: &mut found,
        };
        reader.visit_file(&source.syntax);
    }
    found
}

struct Reader<'a> {
    scope: &'a Scope,
    methods: &'a Methods,
    file: FileId,
    module: ModulePath,
    /// The type whose methods are being read.
    owner: Option<ModulePath>,
    found: &'a mut Vec<Reference>,
}

impl Reader<'_> {
    fn note_path(&mut self, segments: &[String], line: usize, is_reexport: bool) {
        if let [first, method, ..] = segments
            && first == "Self"
        {
            if let Some(owner) = self.owner.clone() {
                self.note_method(&owner, "Self::", method, line);
            }
            return;
        }
        let Some(path) = self.scope.absolute(&self.module, segments, 0) else {
            return;
        };
        let target = self.scope.resolve(&self.module, segments);
        let is_below = path.len() > self.module.len() && path.starts_with(&self.module);
        let mut to = None;
        if let Some(Target::Item { file, path, inner }) = target {
            to = (file != self.file).then_some(file);
            if let (Some(inner), Some(name)) = (inner, path.last()) {
                self.note_method(&path, &format!("{name}::"), &inner, line);
            }
        }
        self.found.push(Reference {
            from: self.file,
            line,
            name: segments.join("::"),
            path,
            to,
            is_face: is_reexport && is_below,
        });
    }

    fn note_method(&mut self, owner: &ModulePath, on: &str, method: &str, line: usize) {
        if let Some(file) = self.methods.file_of(owner, method)
            && file != self.file
        {
            self.found.push(Reference {
                from: self.file,
                line,
                name: format!("{on}{method}"),
                path: Vec::new(),
                to: Some(file),
                is_face: false,
            });
        }
    }

    fn note_call(&mut self, variable: &str, method: &str, line: usize) {
        let on = format!("{variable}.");
        if let ("self", Some(owner)) = (variable, self.owner.clone()) {
            self.note_method(&owner, &on, method, line);
        }
        for (_, name) in TELLING_VARIABLES.iter().filter(|(known, _)| *known == variable) {
            let owners: Vec<ModulePath> = self.methods.types_called(name).cloned().collect();
            for owner in owners {
                self.note_method(&owner, &on, method, line);
            }
        }
    }

    /// Paths and calls in what is no syntax yet.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                TokenTree::Ident(first) if !follows_dot(&tokens, at) => {
                    let line = first.span().start().line;
                    let mut segments = vec![first.to_string()];
                    while let Some(next) = segment_after(&tokens, at) {
                        segments.push(next);
                        at += 3;
                    }
                    if let [variable] = segments.as_slice()
                        && let Some(method) = call_after(&tokens, at)
                    {
                        self.note_call(variable, &method, line);
                    }
                    self.note_path(&segments, line, false);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(uses::attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(method) if is_for_tests(&method.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !matches!(statement, Stmt::Local(local) if is_for_tests(&local.attrs)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        for leaf in uses::leaves(item) {
            self.note_path(&leaf.path, leaf.line, is_reexport);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        let outer = std::mem::replace(&mut self.owner, type_of(self.scope, &self.module, block));
        visit::visit_item_impl(self, block);
        self.owner = outer;
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let (None, Some(first)) = (path.leading_colon, path.segments.first()) {
            self.note_path(&segments, first.ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if let Expr::Path(variable) = &*call.receiver
            && let Some(variable) = variable.path.get_ident()
        {
            let line = call.method.span().start().line;
            self.note_call(&variable.to_string(), &call.method.to_string(), line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.note_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.note_tokens(list.tokens.clone());
        }
    }

    /// Who may see something is no use of it.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

/// Whether the token at `at` is a field's or a method's name.
fn follows_dot(tokens: &[TokenTree], at: usize) -> bool {
    let is_dot = |back| matches!(at.checked_sub(back).map(|at| &tokens[at]), Some(TokenTree::Punct(dot)) if dot.as_char() == '.');
    is_dot(1) && !is_dot(2)
}

/// `::name` after the token at `at`.
fn segment_after(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at + 1..at + 4)? {
        [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(name)]
            if one.as_char() == ':' && two.as_char() == ':' =>
        {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// `.name(…)` after the token at `at`.
fn call_after(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at + 1..at + 4)? {
        [TokenTree::Punct(dot), TokenTree::Ident(name), TokenTree::Group(_)] if dot.as_char() == '.' => {
            Some(name.to_string())
        }
        _ => None,
    }
}
