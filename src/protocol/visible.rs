//! Which characters can be seen.
//!
//! Owns the judgement whether a character shows something by itself, and the form in which a character is quoted to
//! people: one that does not show is written by its number. Must never decide what a name may hold.

use std::fmt::{self, Write};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Whether a character shows something where nothing else stands: letters, digits, punctuation and symbols do; white
/// space, controls, and marks that need a character to stand on do not.
#[must_use]
pub fn shows_by_itself(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic();
    }
    let is_of_a_kind_that_shows = match character.general_category_group() {
        GeneralCategoryGroup::Letter
        | GeneralCategoryGroup::Number
        | GeneralCategoryGroup::Punctuation
        | GeneralCategoryGroup::Symbol => true,
        GeneralCategoryGroup::Mark | GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other => false,
    };
    is_of_a_kind_that_shows && !is_blank(character)
}

/// The letters and symbols whose shape is empty. Unicode says so in their names alone; the first four are also the only
/// letters among its default-ignorable characters.
#[must_use]
pub const fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // the fillers of Hangul
        | '\u{2800}' // Braille without dots
        | '\u{fffc}' // the place of an object
        | '\u{13441}' | '\u{13442}' // hieroglyphs: a blank, half a blank
        | '\u{1d159}' // a note without a head
    )
}

/// A character, quoted to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted(pub char);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(character) = *self;
        if shows_by_itself(character) || character.is_ascii() {
            return write!(f, "{character:?}");
        }
        f.write_char('\'')?;
        write!(f, "{}", character.escape_unicode())?;
        f.write_char('\'')
    }
}

/// What somebody else wrote, for the log: cut after so many characters, and on one line whatever is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excerpt<'a, const CHARS: usize>(pub &'a [u8]);

impl<const CHARS: usize> fmt::Display for Excerpt<'_, CHARS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has four bytes at most, so what is beyond is never looked at.
        let shown = &self.0[..self.0.len().min(CHARS * 4)];
        let mut left = CHARS;
        for chunk in shown.utf8_chunks() {
            for character in chunk.valid().chars() {
                if left == 0 {
                    return f.write_char('…');
                }
                left -= 1;
                if character == ' ' || (shows_by_itself(character) && character != '\\' && character != '"') {
                    f.write_char(character)?;
                } else {
                    write!(f, "{}", character.escape_default())?;
                }
            }
            for byte in chunk.invalid() {
                if left == 0 {
                    return f.write_char('…');
                }
                left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        if shown.len() < self.0.len() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        let shown = |text: &[u8]| Excerpt::<64>(text).to_string();
        assert_eq!(shown(b"https://play.example:8080"), "https://play.example:8080");
        assert_eq!(shown("Bj\u{f6}rn \u{1f41f}".as_bytes()), "Bj\u{f6}rn \u{1f41f}");
        assert_eq!(
            shown(b"a\nERROR \x1b[31m\"\\\xff\r"),
            r#"a\nERROR \u{1b}[31m\"\\\xff\r"#
        );
        assert_eq!(shown("\u{202e}x\u{200b}".as_bytes()), r"\u{202e}x\u{200b}");
        assert_eq!(shown(&[b'x'; 64]), "x".repeat(64));
        assert_eq!(shown(&[b'x'; 65]), format!("{}…", "x".repeat(64)));
        for long in [[b'\n'; 9_000], [0xff; 9_000], [b'x'; 9_000]] {
            assert!(shown(&long).chars().count() <= 64 * 8 + 1);
        }
    }

    /// The ranges of Unicode's property `Default_Ignorable_Code_Point`.
    const IGNORABLE: [std::ops::RangeInclusive<u32>; 17] = [
        0xad..=0xad,
        0x34f..=0x34f,
        0x61c..=0x61c,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x206f,
        0x3164..=0x3164,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xfff8,
        0x1bca0..=0x1bca3,
        0x1d173..=0x1d17a,
        0xe0000..=0xe0fff,
    ];

    #[test]
    fn no_ignorable_character_shows() {
        for character in IGNORABLE.into_iter().flatten().filter_map(char::from_u32) {
            assert!(!shows_by_itself(character), "U+{:04X}", u32::from(character));
            assert!(
                !character.is_alphanumeric() || is_blank(character),
                "U+{:04X} passes for a letter",
                u32::from(character)
            );
        }
    }

    #[test]
    fn letters_digits_and_symbols_of_every_script_show_and_marks_do_not() {
        for shown in "aZ09-_!~éßЖ雪가ㄱあ١ก"
            .chars()
            .chain("\u{928}\u{5d7}\u{1f41f}\u{13000}\u{2801}\u{e46}".chars())
        {
            assert!(shows_by_itself(shown), "U+{:04X}", u32::from(shown));
        }
        for hidden in
            " \t\0\u{7f}\u{a0}\u{3000}\u{301}\u{345}\u{93e}\u{94d}\u{e49}\u{5b7}\u{20dd}\u{200d}\u{e01ef}".chars()
        {
            assert!(!shows_by_itself(hidden), "U+{:04X}", u32::from(hidden));
        }
    }

    #[test]
    fn what_does_not_show_is_quoted_by_its_number() {
        for (character, quoted) in [
            ('\u{3164}', r"'\u{3164}'"),
            ('\u{2800}', r"'\u{2800}'"),
            ('\u{13441}', r"'\u{13441}'"),
            ('\u{93e}', r"'\u{93e}'"),
            ('\u{301}', r"'\u{301}'"),
            ('\u{3000}', r"'\u{3000}'"),
            ('\u{202e}', r"'\u{202e}'"),
            ('\0', r"'\0'"),
            ('\t', r"'\t'"),
            (' ', "' '"),
            ('!', "'!'"),
            ('é', "'é'"),
            ('🐟', "'🐟'"),
        ] {
            assert_eq!(Quoted(character).to_string(), quoted);
        }
    }
}
