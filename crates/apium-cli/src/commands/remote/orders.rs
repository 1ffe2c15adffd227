//! The table of what can be asked of workers or told to them, and how the words of a command line become one of these
//! commands.

use apium_protocol::RawJson;
use apium_protocol::control::{Command, Rate, Signal};
use clap::ArgMatches;

use crate::failure::Failure;
use crate::settings::{HUNDRED_YEARS, Kind, quoted};

/// One command: its name on the line is the method of the request.
pub(super) struct Order {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) arguments: &'static [Argument],
}

/// One of its arguments, in the order of the line.
pub(super) struct Argument {
    /// Its name in the request.
    pub(super) name: &'static str,
    /// What stands for it in the help.
    pub(super) shown: &'static str,
    pub(super) takes: Takes,
    pub(super) required: bool,
    /// Whether it takes all words that are left.
    pub(super) several: bool,
}

/// What a word must be.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// As a setting of this kind.
    Plain(Kind),
    /// How often a task may start.
    Rate,
    /// A signal by name or number.
    Signal,
    /// `KEY=VALUE`.
    Stamp,
}

const NAME: Takes = Takes::Plain(Kind::Name);
const COUNT: Takes = Takes::Plain(Kind::Count { least: 1, most: 10_000 });
const RANGE: Takes = Takes::Plain(Kind::Count { least: 0, most: 10_000 });
const SECONDS: Takes = Takes::Plain(Kind::Seconds { least: 0.0, most: HUNDRED_YEARS });
const SWITCH: Takes = Takes::Plain(Kind::Switch);

const RATE: &str = "a number of starts a second, or one like 10/s, 10/m or 10/h, or 0 for no limit";
const SIGNAL: &str = "a signal, such as SIGTERM or 15";
const STAMP: &str = "a header and its value, as in customer=7";

/// What asks.
pub(super) const INSPECT: &[Order] = &[
    order("active", "The tasks that run", &[]),
    order("active_queues", "The queues that are consumed", &[]),
    order("clock", "The logical clock", &[]),
    order("conf", "The settings", &[optional("with_defaults", "WITH_DEFAULTS", SWITCH)]),
    order("memdump", "What memory was in use at earlier samples", &[optional("samples", "N", COUNT)]),
    order("memsample", "The memory in use", &[]),
    order(
        "objgraph",
        "Lets a Python worker draw its objects",
        &[optional("type", "TYPE", NAME), optional("num", "N", COUNT), optional("max_depth", "DEPTH", COUNT)],
    ),
    order("ping", "Who is there", &[]),
    order("query_task", "Where these tasks are", &[several("ids", "ID", NAME)]),
    order("registered", "The tasks that are known", &[optional_several("taskinfoitems", "ATTRIBUTE", NAME)]),
    order("report", "Versions and settings, for a bug report", &[]),
    order("reserved", "The tasks that were taken and wait for room", &[]),
    order("revoked", "The ids of the tasks that were called off", &[]),
    order("scheduled", "The tasks that were taken and wait for their time", &[]),
    order("stats", "Counts, pool, broker and resources", &[]),
];

/// What changes something.
pub(super) const CONTROL: &[Order] = &[
    order(
        "add_consumer",
        "Consume one queue more",
        &[
            required("queue", "QUEUE", NAME),
            optional("exchange", "EXCHANGE", NAME),
            optional("exchange_type", "TYPE", NAME),
            optional("routing_key", "ROUTING_KEY", NAME),
        ],
    ),
    order(
        "autoscale",
        "Size itself within this range",
        &[required("max", "MAX", RANGE), optional("min", "MIN", RANGE)],
    ),
    order("cancel_consumer", "Consume one queue less", &[required("queue", "QUEUE", NAME)]),
    order("disable_events", "Send no more events of tasks", &[]),
    order("enable_events", "Send events of tasks", &[]),
    order("heartbeat", "Send a heartbeat now", &[]),
    order("pool_grow", "Run more tasks at once", &[optional("n", "N", COUNT)]),
    order("pool_restart", "Start the pool anew", &[]),
    order("pool_shrink", "Run fewer tasks at once", &[optional("n", "N", COUNT)]),
    order(
        "rate_limit",
        "Set how often a task may start",
        &[required("task_name", "TASK", NAME), required("rate_limit", "RATE", Takes::Rate)],
    ),
    order(
        "revoke",
        "Call tasks off, also for workers that start later; those that run go on",
        &[optional_several("task_id", "ID", NAME)],
    ),
    order(
        "revoke_by_stamped_headers",
        "Call the tasks off that carry these stamps",
        &[several("headers", "KEY=VALUE", Takes::Stamp)],
    ),
    order("shutdown", "End what runs, and stop", &[]),
    order(
        "terminate",
        "Call tasks off and end those that run",
        &[required("signal", "SIGNAL", Takes::Signal), several("task_id", "ID", NAME)],
    ),
    order(
        "time_limit",
        "Set how long a task may run, in seconds",
        &[required("task_name", "TASK", NAME), required("soft", "SOFT", SECONDS), optional("hard", "HARD", SECONDS)],
    ),
];

/// The command that was meant.
pub(super) fn command(name: &str, matches: &ArgMatches) -> Result<Command, Failure> {
    let order = INSPECT.iter().chain(CONTROL).find(|order| order.name == name);
    let order = order.ok_or_else(|| Failure::usage(format!("{name} is not a command")))?;
    let mut members = Vec::new();
    for argument in order.arguments {
        let words: Vec<&String> = matches.get_many(argument.name).map(Iterator::collect).unwrap_or_default();
        let values: Vec<RawJson> = words.into_iter().map(|word| argument.value(word)).collect::<Result<_, _>>()?;
        match values.as_slice() {
            values if argument.several => members.push((argument.name.to_owned(), RawJson::array(values))),
            [only, ..] => members.push((argument.name.to_owned(), only.clone())),
            [] => {}
        }
    }
    let refused = |why| Failure::usage(format!("{name} cannot be sent like this: {why}"));
    Command::parse(name, &RawJson::object(&members)).map_err(refused)
}

impl Takes {
    /// What is said of it in the help.
    pub(super) fn help(self) -> String {
        match self {
            Self::Plain(kind) => kind.range().map(|range| format!("[{range}]")).unwrap_or_default(),
            Self::Rate => RATE.to_owned(),
            Self::Signal => SIGNAL.to_owned(),
            Self::Stamp => STAMP.to_owned(),
        }
    }
}

impl Argument {
    /// A word as it is sent.
    fn value(&self, word: &str) -> Result<RawJson, Failure> {
        let wrong = |why: String| Failure::usage(format!("{} {why}", self.shown));
        let must = |what: &str| wrong(format!("must be {what}, not {}", quoted(word)));
        match self.takes {
            Takes::Plain(kind) => {
                kind.check(word).map_err(wrong)?;
                Ok(match kind {
                    Kind::Count { .. } => number::<u32>(word),
                    Kind::Seconds { .. } => number::<f64>(word),
                    Kind::Switch => RawJson::from(&matches!(word, "true" | "1")).unwrap_or_default(),
                    _ => RawJson::string(word),
                })
            }
            Takes::Rate => {
                let rate = RawJson::string(word);
                let limit = Rate::parse(&rate).map(|limit| limit.per_second());
                let off = word.parse::<f64>() == Ok(0.0);
                match limit {
                    Ok(limit) if limit.is_some() || off => Ok(rate),
                    _ => Err(must(RATE)),
                }
            }
            Takes::Signal => {
                let signal =
                    word.parse::<i64>().map_or_else(|_| RawJson::string(&word.to_uppercase()), |_| number::<i64>(word));
                Signal::parse(&signal).map(|_| signal).map_err(|_| must(SIGNAL))
            }
            Takes::Stamp => match word.split_once('=') {
                Some((key, _)) if !key.is_empty() => Ok(RawJson::string(word)),
                _ => Err(must(STAMP)),
            },
        }
    }
}

/// A number that was checked.
fn number<T: std::str::FromStr + serde::Serialize>(word: &str) -> RawJson {
    word.parse::<T>().ok().and_then(|number| RawJson::from(&number).ok()).unwrap_or_default()
}

const fn order(name: &'static str, about: &'static str, arguments: &'static [Argument]) -> Order {
    Order { name, about, arguments }
}

const fn required(name: &'static str, shown: &'static str, takes: Takes) -> Argument {
    Argument { name, shown, takes, required: true, several: false }
}

const fn optional(name: &'static str, shown: &'static str, takes: Takes) -> Argument {
    Argument { name, shown, takes, required: false, several: false }
}

const fn several(name: &'static str, shown: &'static str, takes: Takes) -> Argument {
    Argument { name, shown, takes, required: true, several: true }
}

const fn optional_several(name: &'static str, shown: &'static str, takes: Takes) -> Argument {
    Argument { name, shown, takes, required: false, several: true }
}
