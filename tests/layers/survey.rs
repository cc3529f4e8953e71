//! What a crate's sources say, read once and small enough to be shared by all rules.

use crate::methods::Methods;
use crate::outside::{self, Word};
use crate::references::{self, Reference};
use crate::scope::{FileId, Scope};
use crate::sources::{ModulePath, Sources};

/// One file.
pub struct SurveyedFile {
    /// From the repository's root.
    pub path: String,
    pub module: ModulePath,
    pub lines: usize,
    pub words: Vec<Word>,
    /// Where it is unsafe and does not say why.
    pub unsafe_lines: Vec<usize>,
}

/// All files of a crate, and what they name of each other.
pub struct Survey {
    pub files: Vec<SurveyedFile>,
    pub references: Vec<Reference>,
    /// How many methods each type has.
    pub method_counts: Vec<(String, usize)>,
}

impl Survey {
    pub fn of(sources: &Sources) -> Self {
        let scope = Scope::of(sources);
        let methods = Methods::of(sources, &scope);
        let files = sources.files.iter().map(|file| {
            let (words, unsafe_lines) = outside::read(file);
            SurveyedFile {
                path: file.path.clone(),
                module: file.module.clone(),
                lines: file.text.lines().count(),
                words,
                unsafe_lines,
            }
        });
        Self {
            files: files.collect(),
            references: references::of(sources, &scope, &methods),
            method_counts: methods.counts().collect(),
        }
    }

    pub fn path(&self, file: FileId) -> &str {
        &self.files[file].path
    }
}
