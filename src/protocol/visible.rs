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

#[cfg(test)]
mod tests {
    use super::*;

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
