//! The rules find what they are for, in small sources that exist only here.

use crate::circles::Files;
use crate::sources::Sources;
use crate::survey::Survey;
use crate::{layering, lengths, outside};

fn survey(texts: &[(&str, &str)]) -> Survey {
    Survey::of(&Sources::made_up(texts))
}

/// One fault, which says all of `parts`.
fn expect_one(faults: &[String], parts: &[&str]) {
    assert!(
        matches!(faults, [fault] if parts.iter().all(|part| fault.contains(part))),
        "{faults:?}"
    );
}

mod layers {
    use super::*;

    const LAYERS: &[layering::Layer<'_>] = &[("low", &[]), ("high", &["low"])];

    fn faults(low: &str, high: &str) -> Vec<String> {
        let root = ("src/lib.rs", "pub mod low; pub mod high;");
        layering::faults(&survey(&[root, ("src/low.rs", low), ("src/high.rs", high)]), LAYERS)
    }

    #[test]
    fn a_name_from_below_is_allowed() {
        assert_eq!(
            faults(
                "pub struct Low;",
                "use crate::low::Low; fn f(_: super::low::Low, _: Low) {}"
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_name_from_above_is_found_however_it_is_written() {
        let high = "pub struct High; pub fn go() {}";
        for low in [
            "use crate::high::High;",
            "use super::high;",
            "use crate::{high::High as Other};",
            "fn f() { crate::high::go() }",
            "fn f(_: Option<super::high::High>) {}",
            "mod inner { use super::super::high::High; }",
            "fn f() { assert!(matches!(0, _ if { crate::high::go(); true })) }",
            "impl From<crate::high::High> for u8 {}",
            "pub use made_up::high::High;",
        ] {
            expect_one(&faults(low, high), &["src/low.rs:1", "`low` may not use `high`"]);
        }
    }

    #[test]
    fn what_tests_name_does_not_count() {
        let low = "#[cfg(test)] mod tests { use crate::high::High; } #[cfg(test)] use crate::high::High;";
        assert_eq!(faults(low, "pub struct High;"), [""; 0]);
        let low = "#[cfg(not(test))] use crate::high::High;";
        assert_eq!(faults(low, "pub struct High;").len(), 1);
    }

    #[test]
    fn modules_and_table_agree() {
        let extra = survey(&[
            ("src/lib.rs", "mod low; mod high; mod extra;"),
            ("src/low.rs", ""),
            ("src/high.rs", ""),
            ("src/extra.rs", ""),
        ]);
        expect_one(&layering::faults(&extra, LAYERS), &["`extra` is in no layer"]);
        let less = survey(&[("src/lib.rs", "mod low;"), ("src/low.rs", "")]);
        assert_eq!(layering::faults(&less, &LAYERS[..1]), [""; 0]);
        expect_one(
            &layering::faults(&less, &[("low", &[]), ("gone", &[])]),
            &["`gone` is a layer and no module"],
        );
    }
}

mod words {
    use super::*;

    fn file(text: &str) -> Survey {
        survey(&[
            ("src/lib.rs", "mod net; mod room;"),
            ("src/net.rs", text),
            ("src/room.rs", text),
        ])
    }

    #[test]
    fn a_reserved_crate_is_found_outside_its_modules() {
        for text in [
            "use glommio::Task;",
            "fn f() { glommio::run(1); }",
            "fn f() { run!(glommio::run(1)) }",
        ] {
            let faults = outside::reserved_faults(&file(text), &[("glommio", &["net"])]);
            expect_one(&faults, &["src/room.rs:1", "`glommio`"]);
        }
    }

    #[test]
    fn unsafe_code_of_every_kind_is_found() {
        for text in [
            "fn f() { unsafe { g() } }",
            "unsafe impl Send for A {}",
            "unsafe fn f() {}",
            "fn f() { g!(unsafe { h() }) }",
        ] {
            let faults = outside::reserved_faults(&file(text), &[("unsafe", &["net"])]);
            expect_one(&faults, &["src/room.rs:1", "`unsafe`"]);
        }
        assert_eq!(
            outside::reserved_faults(&file("#[cfg(test)] fn f() { unsafe {} }"), &[("unsafe", &[])]),
            [""; 0]
        );
    }

    #[test]
    fn unsafe_code_gives_its_reason() {
        let silent = [
            "fn f() {\n    unsafe { g() };\n}",
            "// SAFETY: too far up.\nfn f() {\n    unsafe { g() };\n}",
            "unsafe impl Send for A {}",
        ];
        for text in silent {
            assert_eq!(outside::safety_faults(&file(text)).len(), 2, "{text}");
        }
        let reasoned = [
            "fn f() {\n    // SAFETY: it is so,\n    // as was seen.\n    unsafe { g() };\n}",
            "fn f() {\n    // SAFETY: it is so.\n    let a = h(\n        unsafe { g() },\n    );\n}",
            "// SAFETY: it is so.\nunsafe impl Send for A {}",
        ];
        for text in reasoned {
            assert_eq!(outside::safety_faults(&file(text)), [""; 0], "{text}");
        }
    }
}

mod rounds {
    use super::*;

    /// The circles of files below a root that declares `a`, `b` and `c`.
    fn faults(a: &str, b: &str, c: &str) -> Vec<String> {
        Files::of(&three(a, b, c)).faults(&[], &[])
    }

    fn three(a: &str, b: &str, c: &str) -> Survey {
        let root = ("src/lib.rs", "mod a; mod b; mod c;");
        survey(&[root, ("src/a.rs", a), ("src/b.rs", b), ("src/c.rs", c)])
    }

    #[test]
    fn files_that_import_each_other() {
        let a = "use crate::b::B; pub struct A(B);";
        let b = "pub struct B; fn f(_: super::a::A) {}";
        expect_one(
            &faults(a, b, ""),
            &[
                "circle of 2",
                "src/a.rs → src/b.rs: line 1 `crate::b::B`",
                "`super::a::A`",
            ],
        );
        assert_eq!(faults(a, "pub struct B;", ""), [""; 0]);
    }

    #[test]
    fn re_exports_are_followed_to_where_a_name_is_defined() {
        let a = "pub use crate::c::C; pub struct A;";
        let b = "use crate::a::C as Renamed; pub struct B(Renamed);";
        assert_eq!(faults(a, b, "pub struct C; use crate::b;"), [""; 0]);
        expect_one(
            &faults(a, b, "pub struct C; use crate::b::B;"),
            &["circle of 2", "src/b.rs → src/c.rs"],
        );
    }

    #[test]
    fn names_that_come_with_all_others_or_from_a_macro() {
        expect_one(
            &faults(
                "use crate::b::*; pub struct A(B);",
                "pub struct B; use crate::a::A;",
                "",
            ),
            &["circle of 2"],
        );
        let made = "macro_rules! ids { ($name:ident) => { pub struct $name; } } ids!(B); use crate::a::A;";
        expect_one(&faults("use crate::b::B; pub struct A;", made, ""), &["circle of 2"]);
    }

    #[test]
    fn methods_of_one_type_that_call_each_other() {
        let a = "pub struct Shard; impl Shard { fn getter(&self) {} }";
        let b = "use crate::a::Shard; impl Shard { fn one(&self) { self.two() } }";
        let c = "use crate::a::Shard; impl Shard { fn two(&self) { self.getter() } }";
        assert_eq!(faults(a, b, c), [""; 0]);
        for call in [
            "self.one()",
            "Self::one(self)",
            "Shard::one(self)",
            "vec![self.one()]",
            "{ || self.one() }",
        ] {
            let c = format!("use crate::a::Shard; impl Shard {{ fn two(&self) {{ {call}; }} }}");
            expect_one(
                &faults(a, b, &c),
                &["circle of 2", "src/b.rs → src/c.rs: line 1 `self.two`", "one`"],
            );
        }
        let c = "use crate::a::Shard; fn free(shard: &Shard) { shard.one() } impl Shard { fn two(&self) {} }";
        expect_one(&faults(a, b, c), &["circle of 2", "`shard.one`"]);
    }

    #[test]
    fn calls_on_others_are_not_guessed_at() {
        let a = "pub struct Shard; pub struct Other;";
        let b = "use crate::a::Shard; impl Shard { fn one(&self) { self.two() } }";
        let c =
            "use crate::a::{Other, Shard}; impl Shard { fn two(&self) {} } impl Other { fn go(&self) { self.one() } }";
        assert_eq!(faults(a, b, c), [""; 0]);
    }

    #[test]
    fn a_parent_may_hand_on_what_its_child_defines_and_not_use_it() {
        let child = ("src/a/child.rs", "use super::Parent; pub struct Child; impl Parent {}");
        let root = ("src/lib.rs", "mod a;");
        let face = survey(&[
            root,
            ("src/a/mod.rs", "mod child; pub use child::Child; pub struct Parent;"),
            child,
        ]);
        assert_eq!(Files::of(&face).faults(&[], &[]), [""; 0]);
        let user = survey(&[
            root,
            (
                "src/a/mod.rs",
                "mod child; pub use child::Child; pub struct Parent(Child);",
            ),
            child,
        ]);
        expect_one(
            &Files::of(&user).faults(&[], &[]),
            &["src/a/mod.rs → src/a/child.rs: line 1 `Child`"],
        );
    }

    #[test]
    fn exceptions_are_exact() {
        let circle = three(
            "use crate::b::B; pub struct A;",
            "use crate::a::A; pub struct B;",
            "use crate::b::B;",
        );
        let files = Files::of(&circle);
        assert_eq!(files.faults(&[("src/b.rs", "src/a.rs", "a reason")], &[]), [""; 0]);
        let more = [("src/b.rs", "src/a.rs", "a reason"), ("src/c.rs", "src/b.rs", "none")];
        expect_one(
            &files.faults(&more, &[]),
            &["the exception src/c.rs → src/b.rs is not needed"],
        );
        let gone = [
            ("src/b.rs", "src/a.rs", "a reason"),
            ("src/b.rs", "src/gone.rs", "none"),
        ];
        expect_one(
            &files.faults(&gone, &[]),
            &["the exception src/b.rs → src/gone.rs is not needed"],
        );
        assert_eq!(files.faults(&[], &["src"]), [""; 0]);
        expect_one(
            &files.faults(&more[..1], &["src/c.rs"]),
            &["src/c.rs has no circle any more"],
        );
    }

    #[test]
    fn folders_that_lead_to_each_other() {
        let folders = survey(&[
            ("src/lib.rs", "mod shard;"),
            ("src/shard/mod.rs", "mod state; mod post; mod alone;"),
            ("src/shard/state/mod.rs", "pub mod one; pub mod two;"),
            ("src/shard/state/one.rs", "use crate::shard::post::Post;"),
            ("src/shard/state/two.rs", "pub struct Two; use super::one;"),
            ("src/shard/post/mod.rs", "pub struct Post; mod inner;"),
            ("src/shard/post/inner.rs", "use crate::shard::state::two::Two;"),
            ("src/shard/alone.rs", "use crate::shard::post::Post;"),
        ]);
        let files = Files::of(&folders);
        assert_eq!(files.faults(&[], &[]), [""; 0], "no circle of files");
        expect_one(
            &files.folder_faults("src/shard"),
            &["circle of 2", "src/shard/post/inner.rs → src/shard/state/two.rs"],
        );
        assert_eq!(files.folder_faults("src/shard/state"), [""; 0]);
    }

    #[test]
    fn floors_count_the_longest_way_down() {
        let a = "use crate::b::B; use crate::c::C;";
        let steps = three(a, "use crate::c::C; pub struct B;", "pub struct C;");
        let graph = Files::of(&steps).graph(|_, _| true);
        let floors = graph.floors();
        assert_eq!([floors["src/a.rs"], floors["src/b.rs"], floors["src/c.rs"]], [2, 1, 0]);
    }
}

#[test]
fn a_long_file_is_found() {
    let lengths = [("src/a.rs".to_owned(), 500), ("src/b.rs".to_owned(), 501)];
    expect_one(&lengths::faults(&lengths, 500, &[]), &["src/b.rs has 501 lines"]);
    assert_eq!(lengths::faults(&lengths, 500, &["src/b.rs"]), [""; 0]);
    let known = ["src/a.rs", "src/b.rs"];
    expect_one(
        &lengths::faults(&lengths, 500, &known),
        &["src/a.rs is not too long any more"],
    );
}
