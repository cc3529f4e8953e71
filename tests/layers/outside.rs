//! What only some modules may touch: other crates, and `unsafe`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ExprUnsafe, ImplItem, Item, ItemImpl, Macro, Meta, Signature, Stmt};

use crate::sources::{SourceFile, is_for_tests};
use crate::survey::Survey;
use crate::uses;

/// A word, and the top-level modules whose code may contain it.
pub type Reserved<'a> = (&'a str, &'a [&'a str]);

/// A word of a file's code, with its line.
pub type Word = (String, usize);

/// Where code contains a word that is reserved for others.
pub fn reserved_faults(survey: &Survey, reserved: &[Reserved<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in &survey.files {
        let module = file.module.first().map_or("", String::as_str);
        for (word, line) in &file.words {
            if let Some((word, allowed)) = reserved.iter().find(|(known, _)| known == word)
                && !allowed.contains(&module)
            {
                faults.push(format!(
                    "{}:{line} has `{word}`, which is for {allowed:?} only",
                    file.path
                ));
            }
        }
    }
    faults
}

/// Where `unsafe` is used without a reason directly before it, or before the statement that it is in.
pub fn safety_faults(survey: &Survey) -> Vec<String> {
    let places = survey
        .files
        .iter()
        .flat_map(|file| file.unsafe_lines.iter().map(move |line| (&file.path, line)));
    places
        .map(|(path, line)| format!("{path}:{line} has no `// SAFETY:` before it"))
        .collect()
}

/// The words of a file's code, and the lines where it is unsafe and does not say why.
pub fn read(file: &SourceFile) -> (Vec<Word>, Vec<usize>) {
    let mut words = Words::default();
    words.visit_file(&file.syntax);
    let lines: Vec<&str> = file.text.lines().collect();
    let is_silent = |places: &&[usize; 2]| !places.iter().any(|&line| has_reason(&lines, line));
    let silent = words
        .unsafe_places
        .iter()
        .filter(is_silent)
        .map(|places| places[0])
        .collect();
    (words.words, silent)
}

/// Whether the comment that ends above `line`, counted from 1, gives a reason.
fn has_reason(lines: &[&str], line: usize) -> bool {
    let above = lines[..line - 1].iter().rev().map(|text| text.trim_start());
    above
        .take_while(|text| text.starts_with("//") || text.starts_with("#["))
        .any(|text| text.contains("// SAFETY:"))
}

/// The words of a file's code, and where it is unsafe.
#[derive(Default)]
struct Words {
    words: Vec<Word>,
    /// For each `unsafe` block or impl its line, and that of the statement around it.
    unsafe_places: Vec<[usize; 2]>,
    statement_line: usize,
}

impl Words {
    fn note_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                TokenTree::Ident(ident) => self.visit_ident(&ident),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn note_unsafe(&mut self, line: usize) {
        self.words.push(("unsafe".to_owned(), line));
    }
}

impl<'ast> Visit<'ast> for Words {
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

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.words.push((ident.to_string(), ident.span().start().line));
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        use syn::spanned::Spanned as _;
        let outer = std::mem::replace(&mut self.statement_line, statement.span().start().line);
        visit::visit_stmt(self, statement);
        self.statement_line = outer;
    }

    fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
        let line = block.unsafe_token.span.start().line;
        self.note_unsafe(line);
        self.unsafe_places.push([line, self.statement_line.max(1)]);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if let Some(token) = block.unsafety {
            let line = token.span.start().line;
            self.note_unsafe(line);
            self.unsafe_places.push([line, line]);
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        if let Some(token) = signature.unsafety {
            self.note_unsafe(token.span.start().line);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_foreign_mod(&mut self, block: &'ast syn::ItemForeignMod) {
        self.note_unsafe(block.abi.extern_token.span.start().line);
        visit::visit_item_foreign_mod(self, block);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.note_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.note_tokens(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }
}
