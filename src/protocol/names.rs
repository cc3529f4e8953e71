//! Names of players and games: what is allowed, and when two player names are the same.
//!
//! Owns the rules that clients are told about in `player_name_rules`. Two checks are stricter than they say: a player name
//! may not hold fillers, which count as letters but display as nothing, and at least one of its characters must show
//! something by itself; because a name that cannot be seen, or that looks like another's, helps nobody.

use caseless::Caseless;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use unicode_normalization::UnicodeNormalization;

use super::visible::{Quoted, is_blank, shows_by_itself};

/// Why a name is refused. Tell the client; the connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// The empty string.
    #[error("a name must not be empty")]
    Empty,
    /// More bytes than allowed.
    #[error("a name has at most {max_bytes} bytes in UTF-8")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// White space only.
    #[error("a name must not be blank")]
    Blank,
    /// White space at an end.
    #[error("a name must not begin or end with white space")]
    OuterWhitespace,
    /// White space that the rules do not allow.
    #[error("a name must not contain white space of this kind: {}", Quoted(*.0))]
    Whitespace(char),
    /// A character that the rules do not allow.
    #[error("a name must not contain the character {}", Quoted(*.0))]
    Character(char),
    /// Nothing that shows: marks without a character to stand on, or what an operator has allowed beside letters.
    #[error("a name must hold a character that can be seen by itself")]
    Invisible,
}

/// What a player name may be. Serialises to the `player_name_rules` of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRules {
    /// Longest name, in bytes of UTF-8.
    pub max_length_bytes: usize,
    /// Letters and digits of every script, not of ASCII alone.
    pub allow_unicode_alphanumeric: bool,
    /// Spaces (U+0020). No other white space is ever allowed.
    pub allow_spaces: bool,
    /// Spaces at the ends.
    pub allow_leading_trailing_whitespace: bool,
    /// Characters allowed beside letters and digits.
    pub allowed_symbols: Vec<char>,
    /// More such characters.
    pub additional_allowed_characters: Option<String>,
}

impl Default for NameRules {
    fn default() -> Self {
        Self {
            max_length_bytes: 32,
            allow_unicode_alphanumeric: true,
            allow_spaces: true,
            allow_leading_trailing_whitespace: false,
            allowed_symbols: vec!['-', '_'],
            additional_allowed_characters: None,
        }
    }
}

impl NameRules {
    /// Checks the name of a player or a spectator.
    ///
    /// # Errors
    ///
    /// The first rule that the name breaks: empty, too long, blank, outer white space, character by character, nothing
    /// to be seen.
    pub fn check_player_name(&self, name: &str) -> Result<(), NameRefusal> {
        check_length(name, self.max_length_bytes)?;
        let trimmed = name.trim();
        if trimmed.is_empty() {
            return Err(NameRefusal::Blank);
        }
        if !self.allow_leading_trailing_whitespace && trimmed.len() != name.len() {
            return Err(NameRefusal::OuterWhitespace);
        }
        for character in name.chars() {
            if character.is_whitespace() {
                if character != ' ' || !self.allow_spaces {
                    return Err(NameRefusal::Whitespace(character));
                }
            } else if !self.allows(character) {
                return Err(NameRefusal::Character(character));
            }
        }
        if !name.chars().any(shows_by_itself) {
            return Err(NameRefusal::Invisible);
        }
        Ok(())
    }

    /// Whether a character that is not white space may stand in a name.
    fn allows(&self, character: char) -> bool {
        let is_letter_or_digit = if self.allow_unicode_alphanumeric {
            character.is_alphanumeric() && !is_blank(character)
        } else {
            character.is_ascii_alphanumeric()
        };
        is_letter_or_digit
            || self.allowed_symbols.contains(&character)
            || self
                .additional_allowed_characters
                .as_ref()
                .is_some_and(|more| more.contains(character))
    }
}

impl Serialize for NameRules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 6 + usize::from(self.additional_allowed_characters.is_some());
        let mut rules = serializer.serialize_struct("PlayerNameRules", fields)?;
        rules.serialize_field("max_length", &self.max_length_bytes)?;
        rules.serialize_field("min_length", &1)?;
        rules.serialize_field("allow_unicode_alphanumeric", &self.allow_unicode_alphanumeric)?;
        rules.serialize_field("allow_spaces", &self.allow_spaces)?;
        rules.serialize_field(
            "allow_leading_trailing_whitespace",
            &self.allow_leading_trailing_whitespace,
        )?;
        rules.serialize_field("allowed_symbols", &self.allowed_symbols)?;
        if let Some(more) = &self.additional_allowed_characters {
            rules.serialize_field("additional_allowed_characters", more)?;
        }
        rules.end()
    }
}

/// Checks a game name: letters and digits of every script, spaces anywhere, `-` and `_`.
///
/// # Errors
///
/// The first rule that the name breaks: empty, too long, then character by character.
pub fn check_game_name(name: &str, max_bytes: usize) -> Result<(), NameRefusal> {
    check_length(name, max_bytes)?;
    match name
        .chars()
        .find(|&character| !(character.is_alphanumeric() || matches!(character, ' ' | '-' | '_')))
    {
        None => Ok(()),
        Some(refused) => Err(NameRefusal::Character(refused)),
    }
}

/// The form in which two player names are compared: names with equal forms are the same name.
///
/// It is Unicode's canonical caseless matching: decomposed, case-folded, decomposed again.
#[must_use]
pub fn fold_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase(); // which is all that the rules below do to it, at a tenth of the cost of a join
    }
    name.nfd().default_case_fold().nfd().collect()
}

fn check_length(name: &str, max_bytes: usize) -> Result<(), NameRefusal> {
    if name.is_empty() {
        return Err(NameRefusal::Empty);
    }
    if name.len() > max_bytes {
        return Err(NameRefusal::TooLong { max_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn player_names_are_judged_by_the_published_rules() {
        let rules = NameRules::default();
        let longest = "a".repeat(32);
        let ten_ideographs = "水".repeat(10);
        for name in ["a", "bo b", "Ünï雪-_9", "0", &longest, &ten_ideographs] {
            assert_eq!(rules.check_player_name(name), Ok(()), "{name:?}");
        }
        let too_long = Err(NameRefusal::TooLong { max_bytes: 32 });
        assert_eq!(rules.check_player_name(&"a".repeat(33)), too_long);
        assert_eq!(rules.check_player_name(&"水".repeat(11)), too_long);
        for (name, refusal) in [
            ("", NameRefusal::Empty),
            ("   ", NameRefusal::Blank),
            ("\t\u{2003}", NameRefusal::Blank),
            (" bob", NameRefusal::OuterWhitespace),
            ("bob\u{3000}", NameRefusal::OuterWhitespace),
            ("bo\tb", NameRefusal::Whitespace('\t')),
            ("bo\u{a0}b", NameRefusal::Whitespace('\u{a0}')),
            ("bob!", NameRefusal::Character('!')),
            ("🐟", NameRefusal::Character('🐟')),
            ("cafe\u{301}", NameRefusal::Character('\u{301}')),
            ("a\0b", NameRefusal::Character('\0')),
            ("a\u{200b}b", NameRefusal::Character('\u{200b}')),
        ] {
            assert_eq!(rules.check_player_name(name), Err(refusal), "{name:?}");
        }
    }

    #[test]
    fn characters_that_display_as_nothing_are_refused() {
        let rules = NameRules::default();
        for blank in [
            '\u{115f}',
            '\u{1160}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{13441}',
            '\u{13442}',
            '\u{2800}',
        ] {
            for name in [blank.to_string(), format!("Bob{blank}")] {
                let refusal = rules.check_player_name(&name).expect_err("it cannot be seen");
                assert_eq!(refusal, NameRefusal::Character(blank));
                assert!(
                    refusal
                        .to_string()
                        .ends_with(&format!("'\\u{{{:x}}}'", u32::from(blank))),
                    "{refusal}"
                );
            }
        }
    }

    #[test]
    fn a_name_shows_at_least_one_character() {
        let rules = NameRules {
            allow_leading_trailing_whitespace: true,
            additional_allowed_characters: Some("\u{301}\u{94d}\u{2800}\u{3164}\u{200d}\u{e49}".to_owned()),
            ..NameRules::default()
        };
        // The first three are marks that pass for letters by the rules of every server.
        for name in [
            "\u{345}",
            "\u{93e}\u{93f}",
            "\u{5b7} \u{5b4}",
            "\u{301}\u{94d}",
            "\u{2800} \u{3164}",
            "\u{200d}",
            " \u{e49}\u{e49}",
        ] {
            assert_eq!(rules.check_player_name(name), Err(NameRefusal::Invisible), "{name:?}");
        }
        for name in ["\u{345}", "\u{93e}\u{93f}"] {
            let refusal = NameRules::default().check_player_name(name);
            assert_eq!(refusal, Err(NameRefusal::Invisible), "{name:?}");
        }
        for name in ["-", "9", "\u{93e}x", "e\u{301}"] {
            assert_eq!(rules.check_player_name(name), Ok(()), "{name:?}");
        }
    }

    /// The operator's guide has the characters to be allowed for each script; here they are tried.
    #[test]
    fn scripts_that_need_marks_have_a_setting() {
        let guide = include_str!("../../docs/operating.md");
        let rows = guide.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let (script, name, marks) = (cells.next()?, cells.next()?, cells.next()?);
            let quoted = marks.strip_prefix('`')?.split_once('`')?.0;
            let marks = quoted
                .starts_with(r#""\u"#)
                .then(|| serde_json::from_str::<String>(quoted))?;
            Some((script, name, marks.expect("a JSON text")))
        });
        let mut scripts = Vec::new();
        for (script, name, marks) in rows {
            let plain = NameRules::default();
            assert!(
                matches!(plain.check_player_name(name), Err(NameRefusal::Character(_))),
                "{script}: {name}"
            );
            let rules = NameRules {
                additional_allowed_characters: Some(marks.clone()),
                ..plain
            };
            assert_eq!(rules.check_player_name(name), Ok(()), "{script}: {name}");
            assert!(
                matches!(
                    rules.check_player_name(&marks),
                    Err(NameRefusal::Invisible | NameRefusal::TooLong { .. })
                ),
                "{script}: marks alone"
            );
            scripts.push(script);
        }
        assert!(
            ["Devanagari", "Thai"].iter().all(|script| scripts.contains(script)),
            "{scripts:?}"
        );
        // The points of Hebrew and the vowel signs of Arabic count as letters.
        for name in ["חַיִּים", "مُحَمَّد"] {
            assert_eq!(NameRules::default().check_player_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn each_rule_can_be_changed() {
        let strict = NameRules {
            allow_unicode_alphanumeric: false,
            allow_spaces: false,
            ..NameRules::default()
        };
        assert_eq!(strict.check_player_name("bob-9"), Ok(()));
        assert_eq!(strict.check_player_name("bo b"), Err(NameRefusal::Whitespace(' ')));
        assert_eq!(strict.check_player_name("Zoë"), Err(NameRefusal::Character('ë')));
        let loose = NameRules {
            max_length_bytes: 4,
            allow_leading_trailing_whitespace: true,
            allowed_symbols: vec!['!'],
            additional_allowed_characters: Some("🐟".to_owned()),
            ..NameRules::default()
        };
        assert_eq!(loose.check_player_name(" a "), Ok(()));
        assert_eq!(loose.check_player_name("  "), Err(NameRefusal::Blank));
        assert_eq!(loose.check_player_name("🐟"), Ok(()));
        assert_eq!(loose.check_player_name("a!"), Ok(()));
        assert_eq!(loose.check_player_name("a-"), Err(NameRefusal::Character('-')));
        assert_eq!(
            loose.check_player_name("abcde"),
            Err(NameRefusal::TooLong { max_bytes: 4 })
        );
    }

    #[test]
    fn the_rules_are_published_in_the_protocols_form() {
        let rules = NameRules::default();
        let expected = concat!(
            r#"{"max_length":32,"min_length":1,"allow_unicode_alphanumeric":true,"allow_spaces":true,"#,
            r#""allow_leading_trailing_whitespace":false,"allowed_symbols":["-","_"]}"#
        );
        assert_eq!(serde_json::to_string(&rules).expect("rules serialise"), expected);
        let more = NameRules {
            additional_allowed_characters: Some("!".to_owned()),
            ..rules
        };
        let json = serde_json::to_string(&more).expect("rules serialise");
        assert!(
            json.ends_with(r#""allowed_symbols":["-","_"],"additional_allowed_characters":"!"}"#),
            "{json}"
        );
    }

    #[test]
    fn game_names_are_judged_by_the_published_rules() {
        for name in ["g".repeat(64).as_str(), " é-_ 9 ", " ", "雪"] {
            assert_eq!(check_game_name(name, 64), Ok(()), "{name:?}");
        }
        assert_eq!(check_game_name("", 64), Err(NameRefusal::Empty));
        assert_eq!(
            check_game_name(&"g".repeat(65), 64),
            Err(NameRefusal::TooLong { max_bytes: 64 })
        );
        assert_eq!(check_game_name("a.b", 64), Err(NameRefusal::Character('.')));
        assert_eq!(check_game_name("a\tb", 64), Err(NameRefusal::Character('\t')));
    }

    #[test]
    fn names_that_differ_only_in_case_or_composition_fold_alike() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("Mira", "mIRA"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("\u{212b}ngstrom", "ÅNGSTROM"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ] {
            assert_eq!(fold_name(one), fold_name(other), "{one} and {other}");
        }
        for (one, other) in [("Straße", "Strase"), ("a", "ä"), ("ｆ", "f")] {
            assert_ne!(fold_name(one), fold_name(other), "{one} and {other}");
        }
    }
}
