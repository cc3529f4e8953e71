use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The slice that the scanner finds when the whole text is one value.
fn scan(text: &str) -> Result<&str, InvalidJson> {
    let mut scanner = Scanner::new(text);
    let value = scanner.value(0)?;
    scanner.end()?;
    Ok(value)
}

#[track_caller]
fn assert_judged_alike(text: &str) {
    let by_tree = serde_json::from_str::<Value>(text);
    let by_scan = scan(text);
    assert_eq!(by_scan.is_ok(), by_tree.is_ok(), "{text:?}: {by_scan:?}, {by_tree:?}");
    if let Ok(slice) = by_scan {
        assert_eq!(slice, text.trim_matches([' ', '\t', '\n', '\r']));
    }
}

#[test]
fn hostile_texts_are_judged_as_a_tree_parse_judges_them() {
    for text in [
        "",
        " ",
        "\u{feff}1",
        "nul",
        "nulll",
        "true false",
        "tru",
        "None",
        "'a'",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1 \"b\":2}",
        "{1:2}",
        "{null:1}",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "]",
        "}",
        ":",
        ",",
        "[",
        "{",
        "[[]",
        "{\"d\":1,\"d\":2}",
        "{\"\":[]}",
        "[]",
        "{}",
        "[{}]",
        " [ ] ",
        "\t{\r\n} ",
        "[\u{a0}]",
        "[1]x",
        "//c\n1",
        "[1]\0",
        "\"",
        "\"\\\"",
        "\"a\nb\"",
        "\"\u{7f}\"",
        "\"\u{0}\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\u+123\"",
        "\"\\uD83D\\uDE00\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800\\n\"",
        "\"\\ud800x\"",
        "\"\\ud800\\u\"",
        "\"\\ud800\\u0041\"",
        "\"\\udbff\\udfff\"",
        "\"\\ud83d\\ude0",
        "\"\\",
        "\"\\u",
        "\"\\b\\f\\n\\r\\t\\/\\\\\\\"\"",
        "\"\\U0041\"",
        "\"é😀\"",
        "\"\\u0000\"",
    ] {
        assert_judged_alike(text);
    }
}

#[test]
fn numbers_are_judged_as_a_tree_parse_judges_them() {
    let wide = |digits: usize| "9".repeat(digits);
    let zeros = |digits: usize| "0".repeat(digits);
    let mut numbers: Vec<String> = [
        "0",
        "-0",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1e-",
        "1E5",
        "1e+5",
        "1e-5",
        "-1.5e-7",
        "0x10",
        "1_000",
        "1e999",
        "-1e999",
        "1e-999",
        "0e999",
        "0.0e999",
        "1e400",
        "1e309",
        "1e308",
        "-1e308",
        "9e307",
        "1e99",
        "1e099",
        "1e0000000000000001",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "4.9e-324",
        "1e-400",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "Infinity",
        "NaN",
        "1e2147483648",
        "0e2147483648",
        "1e-2147483649",
        "0.1e99999999999",
        "10e308",
        "100e307",
        "0.001e311",
    ]
    .map(str::to_owned)
    .to_vec();
    for digits in [17, 19, 20, 199, 200, 201, 308, 309, 310, 400, 5_000] {
        numbers.push(wide(digits));
        numbers.push(format!("-{}", wide(digits)));
        numbers.push(format!("1{}e-{digits}", zeros(digits)));
        numbers.push(format!("{}e99", wide(digits)));
        numbers.push(format!("{}e100", wide(digits)));
        numbers.push(format!("0.{}1e{digits}", zeros(digits)));
        numbers.push(format!("0.{}1e{}", zeros(digits), digits + 310));
        numbers.push(format!("{}.{}", wide(digits), wide(digits)));
    }
    for number in numbers {
        assert_judged_alike(&number);
        assert_judged_alike(&format!("[{number},{number}]"));
        assert_judged_alike(&format!("{{\"n\":{number}}}"));
    }
}

#[test]
fn depth_is_judged_as_a_tree_parse_judges_it() {
    for depth in [1, 126, 127, 128, 129, 5_000] {
        assert_judged_alike(&("[".repeat(depth) + &"]".repeat(depth)));
        assert_judged_alike(&("[".repeat(depth) + "0" + &"]".repeat(depth)));
        assert_judged_alike(&("{\"a\":".repeat(depth) + "0" + &"}".repeat(depth)));
        assert_judged_alike(&("{\"a\":[".repeat(depth) + "{}" + &"]}".repeat(depth)));
        assert_judged_alike(&"[".repeat(depth));
        assert_judged_alike(&format!("[{}]", vec!["[]"; depth].join(",")));
    }
    let at_limit = "[".repeat(125) + &"]".repeat(125);
    assert!(Scanner::new(&at_limit).value(2).is_ok());
    assert_eq!(Scanner::new(&at_limit).value(3), Err(InvalidJson));
}

#[test]
fn every_byte_is_found_at_every_place_of_a_word() {
    for length in 0..20 {
        for place in 0..length {
            for special in (0..=0x22).chain([b'\\', 0x7f]) {
                let mut body = vec![b'x'; length];
                body[place] = special;
                let text = format!("\"{}\"", String::from_utf8(body).expect("ASCII"));
                assert_judged_alike(&text);
                assert_judged_alike(&format!("[{text}]"));
            }
        }
    }
}

#[test]
fn strings_decode_to_what_they_stand_for() {
    for (text, expected, borrowed) in [
        ("\"\"", "", true),
        ("\"type\"", "type", true),
        ("\"typ\\u0065\"", "type", false),
        ("\"\\ud83d\\ude00\\/é\"", "😀/é", false),
    ] {
        let decoded = Scanner::new(text).string().expect("a string").decode();
        assert_eq!(decoded, expected);
        assert_eq!(matches!(decoded, std::borrow::Cow::Borrowed(_)), borrowed, "{text}");
    }
}

/// Pieces that are valid JSON, or nearly so.
fn scalars() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,4})?",
        1 => "-?[0-9]{0,3}\\.?[0-9]{0,3}[eE]?[+-]?[0-9]{0,3}",
        4 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        2 => "\"([a-z é😀]{0,9}|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,4}\"",
        1 => "\"(\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\u[dD][c-fC-F][0-9a-f]{2}|[a-z]){0,4}\"",
        3 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\n", "\t ", "\r\n"]);
    (space(), scalars(), space())
        .prop_map(|(before, scalar, after)| format!("{before}{scalar}{after}"))
        .prop_recursive(5, 48, 6, move |inner| {
            let key = "\"([a-d]{0,3}|\\\\u00[0-9a-f]{2}|.)\"";
            prop_oneof![
                (prop::collection::vec(inner.clone(), 0..6), space())
                    .prop_map(|(elements, space)| format!("{space}[{}]{space}", elements.join(","))),
                (prop::collection::vec((key, space(), inner), 0..6)).prop_map(|members| {
                    let members: Vec<_> = members
                        .into_iter()
                        .map(|(key, space, value)| format!("{space}{key}{space}:{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
}

/// Puts characters that matter to JSON in the place of others, takes some away, and cuts the end off.
fn damaged(text: &str, damage: &[(prop::sample::Index, Option<char>)], cut: Option<prop::sample::Index>) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, replacement) in damage {
        if characters.is_empty() {
            break;
        }
        let place = place.index(characters.len());
        match replacement {
            Some(character) => characters[place] = *character,
            None => {
                characters.remove(place);
            }
        }
    }
    if let Some(cut) = cut {
        characters.truncate(cut.index(characters.len() + 1));
    }
    characters.into_iter().collect()
}

fn replacements() -> impl Strategy<Value = Option<char>> {
    prop::option::of(prop::sample::select(
        "{}[]:,\"\\ \n\t\0\u{1f}\u{7f}0123456789.-+eEuUdD8cfntrbal/é😀"
            .chars()
            .collect::<Vec<_>>(),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn generated_texts_are_judged_as_a_tree_parse_judges_them(text in texts()) {
        assert_judged_alike(&text);
    }

    #[test]
    fn damaged_texts_are_judged_as_a_tree_parse_judges_them(
        text in texts(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), replacements()), 1..5),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        assert_judged_alike(&damaged(&text, &damage, cut));
    }

    #[test]
    fn a_soup_of_tokens_is_judged_as_a_tree_parse_judges_it(text in "([{}\\[\\]:, ]|\"a\"|null|true|-?[0-9]|\\.|e){0,12}") {
        assert_judged_alike(&text);
    }
}
