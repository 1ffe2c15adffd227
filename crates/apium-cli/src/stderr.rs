//! Standard error, whose reader may go away (`apium up 2>&1 | head`): work goes on without it.
//!
//! The standard library's macros panic there, and a panic in the middle of a log line would take down whichever
//! loop happened to write it.

use std::io::{self, Write};

/// Standard error; what cannot be written is let go.
pub(crate) struct Stderr;

/// Says one line to the person in front of the terminal.
pub(crate) fn say(line: &str) {
    ask(&format!("{line}\n"));
}

/// The same without an end to the line: the answer stands behind it.
pub(crate) fn ask(question: &str) {
    drop(Stderr.write_all(question.as_bytes()));
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
