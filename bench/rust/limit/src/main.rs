//! The limit: what Redis and a bare client can do with kombu's keys, when no task is run, nothing is parsed and nothing
//! is remembered. It is no worker: it only sends the commands that one could not do without.

mod drain;
#[path = "../../ledger.rs"]
mod ledger;
mod producer;
mod resp;

use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        Some("worker") => drain::drain(),
        Some("producer") => producer::obey(),
        _ => Err("say `worker` or `producer`".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-limit: {error}");
            ExitCode::FAILURE
        }
    }
}
