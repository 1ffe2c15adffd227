//! The `apium` executable: every service, one subcommand a role.

use std::process::ExitCode;

use apium::App;

fn main() -> ExitCode {
    apium_cli::main_with(App::new("apium"), apium_cli::services::ALL)
}
