//! Files that a test hands to the program, or gets from it.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::PathBuf;

/// A file of this test, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("signal-fish-loadtest-test-{}-{name}", std::process::id())))
    }

    pub(crate) fn with(name: &str, content: &impl ToString) -> Self {
        let this = Self::new(name);
        std::fs::write(&this.0, content.to_string()).expect("a writable temporary directory");
        this
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
