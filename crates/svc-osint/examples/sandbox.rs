//! Try a parser by hand: `cargo run -p svc-osint --example sandbox -- sandbox-parse < photo.jpg | cat`.
//!
//! The `cat` is needed: the parser may not write to files, not even to one it was given as output.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(svc_osint::sandbox::ARGUMENT) {
        return svc_osint::sandbox::child_main();
    }
    eprintln!("usage: sandbox {} [MEMORY_BYTES] [CPU_SECONDS] < FILE", svc_osint::sandbox::ARGUMENT);
    ExitCode::FAILURE
}
