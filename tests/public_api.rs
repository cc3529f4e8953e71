//! What programs may use of the library is what `docs/public-api.txt` lists: read from the sources, item by item.
//!
//! The root of the library says what that is: whatever it declares or hands on and does not hide. Each name is followed to
//! where it is defined, and told with its fields, variants, methods and traits. What a macro of ours makes is told by the macro's
//! name. `UPDATE_DOCS=1 cargo test --test public_api` writes the list; a reviewer reads what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

const LISTING: &str = "docs/public-api.txt";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All modules of the library, by their paths, with their items.
struct Sources(BTreeMap<Vec<String>, Vec<Item>>);

impl Sources {
    fn read() -> Self {
        let mut sources = Self(BTreeMap::new());
        sources.add(&root().join("src/lib.rs"), &root().join("src"), Vec::new());
        sources
    }

    fn add(&mut self, file: &Path, folder: &Path, path: Vec<String>) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = syn::parse_file(&text).expect("it compiles").items;
        for item in &items {
            let Item::Mod(module) = item else { continue };
            if module.content.is_some() || is_test(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let beside: PathBuf = folder.join(format!("{name}.rs"));
            let below = folder.join(&name);
            let file = if beside.exists() { beside } else { below.join("mod.rs") };
            let path = path.iter().cloned().chain([name]).collect();
            self.add(&file, &below, path);
        }
        self.0.insert(path, items);
    }

    /// Where a name of a module is defined: that module, or the one that it is handed on from.
    fn definition(&self, module: &[String], name: &str) -> Option<(&Item, Vec<String>)> {
        let items = self.0.get(module)?;
        let own = items.iter().find(|item| names(item).is_some_and(|own| own == name));
        if let Some(item) = own {
            return Some((item, module.to_vec()));
        }
        items.iter().find_map(|item| {
            let Item::Use(handed_on) = item else { return None };
            let mut found = Vec::new();
            flatten(&handed_on.tree, &mut Vec::new(), &mut found);
            let path = found
                .into_iter()
                .find(|path| path.last().is_some_and(|last| last == name))?;
            let (name, from) = path.split_last()?;
            self.module(module, from).and_then(|from| self.definition(&from, name))
        })
    }

    /// The module that a path leads to from another, if it is one of ours.
    fn module(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut at = from.to_vec();
        for (place, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                name => {
                    at.push(name.to_owned());
                    if place == 0 && !self.0.contains_key(&at) {
                        at = vec![name.to_owned()];
                    }
                }
            }
        }
        self.0.contains_key(&at).then_some(at)
    }

    fn all(&self) -> impl Iterator<Item = &Item> {
        self.0.values().flatten()
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg"))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    let is_hiding = |attribute: &Attribute| {
        attribute.path().is_ident("doc") && attribute.to_token_stream().to_string().contains("hidden")
    };
    attributes.iter().any(is_hiding)
}

const fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name that an item gives to something; of a macro's invocation, that which it gives first.
fn names(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Trait(item) => Some(item.ident.to_string()),
        Item::Type(item) => Some(item.ident.to_string()),
        Item::Fn(item) => Some(item.sig.ident.to_string()),
        Item::Const(item) => Some(item.ident.to_string()),
        Item::Macro(made) => {
            let tokens = made.mac.tokens.to_string();
            let mut words = tokens
                .split_whitespace()
                .filter(|word| word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphanumeric));
            words.next_back().map(str::to_owned)
        }
        _ => None,
    }
}

/// The paths that a `use` names.
fn flatten(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) => found.push(before.iter().cloned().chain([name.ident.to_string()]).collect()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
        // Nothing that is shown is handed on so: it would not be found.
        UseTree::Rename(_) | UseTree::Glob(_) => {}
    }
}

/// Code as it is read: without the spaces that tokens are kept apart by.
fn shown(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" > ", "> "),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ;", ";"),
        (" :", ":"),
        ("[ ", "["),
        (" ]", "]"),
        (" .", "."),
        ("# [", "#["),
        ("-> ", "-> "),
    ] {
        text = text.replace(spaced, tight);
    }
    text.replace("->", " -> ").replace("  ", " ")
}

fn fields(fields: &Fields, all_public: bool, listing: &mut Vec<String>, of: &str) {
    for (place, field) in fields.iter().enumerate() {
        if all_public || is_public(&field.vis) {
            let name = field
                .ident
                .as_ref()
                .map_or_else(|| place.to_string(), ToString::to_string);
            listing.push(format!("{of}.{name}: {}", shown(&field.ty)));
        }
    }
}

/// An item, and what is public of it, a line each.
fn tell(name: &str, item: &Item, sources: &Sources) -> Vec<String> {
    let mut lines = Vec::new();
    match item {
        Item::Struct(item) => {
            lines.push(format!("struct {name}{}", shown(&item.generics)));
            fields(&item.fields, false, &mut lines, name);
        }
        Item::Enum(item) => {
            lines.push(format!("enum {name}"));
            for variant in &item.variants {
                let of = format!("{name}::{}", variant.ident);
                lines.push(of.clone());
                fields(&variant.fields, true, &mut lines, &of);
            }
        }
        Item::Trait(item) => {
            lines.push(format!("trait {name}"));
            for method in &item.items {
                if let TraitItem::Fn(method) = method {
                    lines.push(format!("{name}::{}", shown(&method.sig)));
                }
            }
        }
        Item::Type(item) => lines.push(format!("type {name} = {}", shown(&item.ty))),
        Item::Fn(item) => lines.push(shown(&item.sig)),
        Item::Const(item) => lines.push(format!("const {name}: {}", shown(&item.ty))),
        Item::Macro(made) => lines.push(format!("struct {name}, made by {}!", shown(&made.mac.path))),
        _ => panic!("{name} is of a kind that is not told"),
    }
    if let Item::Struct(syn::ItemStruct { attrs, .. }) | Item::Enum(syn::ItemEnum { attrs, .. }) = item {
        for derive in attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let traits = derive.parse_args_with(Punctuated::<syn::Path, syn::Token![,]>::parse_terminated);
            let traits = traits.expect("paths of traits");
            lines.extend(traits.iter().map(|of| format!("impl {} for {name}", shown(of))));
        }
    }
    for item in sources.all() {
        let Item::Impl(block) = item else { continue };
        let Type::Path(of) = &*block.self_ty else { continue };
        if of.path.segments.last().is_none_or(|last| last.ident != name) || is_test(&block.attrs) {
            continue;
        }
        if let Some((_, implemented, _)) = &block.trait_ {
            lines.push(format!("impl {} for {name}", shown(implemented)));
            continue;
        }
        for member in &block.items {
            match member {
                ImplItem::Fn(method) if is_public(&method.vis) && !is_hidden(&method.attrs) => {
                    lines.push(format!("{name}::{}", shown(&method.sig)));
                }
                ImplItem::Const(constant) if is_public(&constant.vis) => {
                    lines.push(format!("{name}::const {}: {}", constant.ident, shown(&constant.ty)));
                }
                _ => {}
            }
        }
    }
    // What it is comes first; the order of the rest is no promise.
    lines[1..].sort();
    lines
}

/// What a module shows: what it hands on, what it defines, and the modules in it.
fn show(sources: &Sources, module: &[String], listing: &mut String) {
    let items = &sources.0[module];
    let mut shown_names = BTreeSet::new();
    for item in items {
        match item {
            Item::Use(handed_on) if is_public(&handed_on.vis) && !is_hidden(&handed_on.attrs) => {
                let mut paths = Vec::new();
                flatten(&handed_on.tree, &mut Vec::new(), &mut paths);
                let last = |path: Vec<String>| path.into_iter().next_back().expect("a name");
                shown_names.extend(paths.into_iter().map(last));
            }
            Item::Struct(syn::ItemStruct { vis, .. })
            | Item::Enum(syn::ItemEnum { vis, .. })
            | Item::Fn(syn::ItemFn { vis, .. })
            | Item::Const(syn::ItemConst { vis, .. })
            | Item::Trait(syn::ItemTrait { vis, .. })
            | Item::Type(syn::ItemType { vis, .. })
                if is_public(vis) =>
            {
                shown_names.extend(names(item));
            }
            _ => {}
        }
    }
    let place = module.join("::");
    for name in &shown_names {
        let (item, _) = sources
            .definition(module, name)
            .unwrap_or_else(|| panic!("nobody defines {place}::{name}"));
        writeln!(
            listing,
            "\n[{}]",
            [place.as_str(), name].join("::").trim_start_matches("::")
        )
        .expect("text");
        for line in tell(name, item, sources) {
            writeln!(listing, "{line}").expect("text");
        }
    }
    for item in items {
        if let Item::Mod(inner) = item
            && is_public(&inner.vis)
            && !is_hidden(&inner.attrs)
        {
            let path: Vec<String> = module.iter().cloned().chain([inner.ident.to_string()]).collect();
            show(sources, &path, listing);
        }
    }
}

#[test]
fn what_the_library_shows_is_what_is_listed() {
    let mut listing =
        "What programs may use of the library, as its sources have it; a test compares the two.\n".to_owned();
    show(&Sources::read(), &[], &mut listing);
    for must_be_there in ["ServerHandle::fn kick(", "Config.port: u16", "struct RoomId, made by"] {
        assert!(
            listing.contains(must_be_there),
            "{must_be_there} is not found:\n{listing}"
        );
    }
    let path = root().join(LISTING);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(path, listing).expect("the document is ours");
    }
    let listed = fs::read_to_string(path).unwrap_or_default();
    let (now, before): (BTreeSet<_>, BTreeSet<_>) = (listing.lines().collect(), listed.lines().collect());
    assert!(
        listing == listed,
        "{LISTING} is not what the sources have; UPDATE_DOCS=1 writes it.\nnew: {:#?}\ngone: {:#?}",
        now.difference(&before).collect::<Vec<_>>(),
        before.difference(&now).collect::<Vec<_>>()
    );
}
