//! The two ways out of the program: reports on standard output, remarks on standard error. A reader that has gone away, as
//! `head` does, is no error and ends nothing.

use std::io::{self, ErrorKind, Write};

/// Prints a report.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says something besides the report.
pub(crate) fn remark(text: &str) {
    // Where nobody can be told, there is nobody to tell it to either.
    let _ = writeln!(io::stderr(), "{text}");
}
