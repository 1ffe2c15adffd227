//! The part of the command line that is Celery's remote control: the same names and the same flags.

use clap::{Arg, ArgAction, Command};

use super::orders::{Argument, CONTROL, INSPECT, Order};
use super::revoke;

/// `inspect`, `control`, `status` and `events`; `with` adds the flags every command knows.
pub(crate) fn commands(with: impl Fn(Command) -> Command) -> [Command; 4] {
    // As in Celery they may stand before and behind the command's own name.
    let anywhere = |name: &'static str, about: &'static str, orders: &[Order]| {
        with(Command::new(name).about(about))
            .args(whom())
            .mut_args(|arg| arg.global(true))
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("COMMAND")
            .subcommand_help_heading("Commands")
            .disable_help_subcommand(true)
            .subcommands(orders.iter().map(command))
    };
    let dump = Arg::new("dump")
        .long("dump")
        .short('d')
        .action(ArgAction::SetTrue)
        .help("Print a line an event, as is done anyway");
    [
        anywhere("inspect", "Ask workers, Python's too; exits with 69 when none answers", INSPECT),
        anywhere("control", "Tell workers, Python's too, to do something; exits with 69 when none answers", CONTROL),
        with(Command::new("status").about("Show which workers are there; exits with 69 when none is")).args(whom()),
        with(Command::new("events").about("Print the events of workers and tasks until Ctrl-C")).arg(dump),
    ]
}

fn whom() -> [Arg; 2] {
    [
        Arg::new("destination")
            .long("destination")
            .short('d')
            .value_name("NODES")
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help("Only these workers, with commas between; it is over when all of them have answered"),
        Arg::new("timeout")
            .long("timeout")
            .short('t')
            .value_name("SECONDS")
            .allow_negative_numbers(true)
            .help("How long to wait for answers [default: 1]"),
    ]
}

fn command(order: &Order) -> Command {
    let command = Command::new(order.name).about(order.about).args(order.arguments.iter().map(argument));
    if order.name == "revoke" { command.args(revoke::arguments()) } else { command }
}

fn argument(argument: &Argument) -> Arg {
    let arg = Arg::new(argument.name)
        .value_name(argument.shown)
        .required(argument.required)
        .help(argument.takes.help())
        .allow_negative_numbers(true);
    if argument.several { arg.num_args(1..) } else { arg }
}
