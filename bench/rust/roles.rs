//! The two roles of a program that is measured: `worker` works, `producer` does what it is told on its standard input.

use std::error::Error;
use std::process::ExitCode;

use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

pub(crate) type Mishap = Box<dyn Error + Send + Sync>;

/// What sends, and fetches. Numbers its tasks from 0 on, whatever they are.
pub(crate) trait Producer: Sized {
    /// Connects.
    async fn open() -> Result<Self, Mishap>;

    /// Carries out an order; how much was done.
    async fn obey(&mut self, order: &Order<'_>) -> Result<u64, Mishap>;
}

/// One line of the standard input: a verb, and numbers.
pub(crate) struct Order<'a>(Vec<&'a str>);

impl Order<'_> {
    pub(crate) fn verb(&self) -> &str {
        self.0.first().copied().unwrap_or_default()
    }

    /// The number at this place; the verb is at 0.
    pub(crate) fn number(&self, at: usize) -> Result<u64, Mishap> {
        let number = self.0.get(at).and_then(|word| word.parse().ok());
        number.ok_or_else(|| "a number is missing".into())
    }

    pub(crate) fn unknown<T>(&self) -> Result<T, Mishap> {
        Err("this order is not known".into())
    }
}

/// Plays the role that the command line names.
pub(crate) async fn play<P: Producer>(work: impl Future<Output = Result<(), Mishap>>) -> ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        Some("worker") => work.await,
        Some("producer") => produce::<P>().await,
        _ => Err("say `worker` or `producer`".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_PKG_NAME"));
            ExitCode::FAILURE
        }
    }
}

/// Reads an order a line, and answers each with `done` and a count, until there are no more.
async fn produce<P: Producer>() -> Result<(), Mishap> {
    let mut producer = P::open().await?;
    println!("ready");
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        let order = Order(line.split_whitespace().collect());
        let done = producer.obey(&order).await.map_err(|error| format!("`{line}`: {error}"))?;
        println!("done {done}");
    }
    Ok(())
}
