//! `#[task]`: one attribute on one function; it writes the `Task` that one could as well write by hand.

mod expand;
mod limit;
mod options;
mod parameter;
mod unique;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Makes a task of a function.
///
/// ```ignore
/// #[task(name = "app.add", max_retries = 3, autoretry)]
/// async fn add(x: i64, #[default(1)] y: i64, mail: State<Mailer>) -> Result<i64, TaskError> {
///     mail.note(x + y).await?;
///     Ok(x + y)
/// }
/// ```
///
/// The function's parameters are the task's arguments: a caller passes them by position or by name.
/// `Option<T>` may be left out, and so may one with `#[default(value)]`. Parameters of type `Context` or
/// `State<T>`, or marked `#[context]`, come from the attempt instead. What does not fit is a `TypeError`. As in Python,
/// one marked `#[args]` takes all further positional arguments (a `Vec<T>`), one marked `#[kwargs]` all further ones by
/// name (a map from `String`), and what stands after `#[args]` is passed by name only.
///
/// A function that is not `async` runs on the pool for blocking work. A return type named `Result` or
/// `TaskResult` may fail; its error becomes the exception a Python caller sees.
///
/// Options, by Celery's names: `name`, `queue`, `expires` (of calls made with `s`), `max_retries`,
/// `default_retry_delay`, `autoretry`, `retry_backoff`, `retry_backoff_max`, `retry_jitter`, `acks_late`, `time_limit`,
/// `soft_time_limit`, `track_started`, `ignore_result`, `result_expires`, `errback`; times in seconds. `crate` names
/// where `apium_core` is found.
///
/// `isolation = "process"` runs each attempt in a child process of the same program, which can be killed: for what may
/// crash, leak, or never return. `max_memory = "256MiB"` (`KiB`, `MiB`, `GiB`) bounds what an attempt may allocate,
/// `max_tasks_per_child = 100` how many attempts a child lives for. A program with a `main` of its own calls
/// `apium::isolation::child(&app)` first there.
///
/// `unique` makes calls made with `s` unique: `unique(by = [order], for = 3600, until = "done", policy = "return")`. All
/// arguments count without `by`; `until` is `"done"` (default), `"start"` or `"period"`; `for` is the period, or how long
/// a key outlives the last sign of life of its holder (one day); `policy` is `"reject"` (default), `"return"`, `"replace"`
/// or `"keep_last"`. What does not go together does not compile.
///
/// `limit` is kept by all workers together, in the store: `limit(rate = "10/s", concurrency = 4, breaker = "5/1m:30s")`
/// for the task as a whole, and with `by = tenant` for each value of that argument; more than one may stand there. A rate
/// slides (`"3/10s"`: at most three starts in any ten seconds); after five failures in any minute the breaker lets nothing
/// start for 30 s, then one as a probe. What is over a limit waits in the store, holds up nobody and costs no attempt. An
/// operator's word (`apium limits set`) counts before the task's. (`rate_limit` is Celery's: each worker for itself.)
///
/// The function's name becomes a type: `add::s(2, 2)` is a signature to send, `add::run(…)` calls the function directly,
/// and `add` itself is what `App::task` takes. No variable beside it can have the same name, as with every unit type.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let task = options::Options::parse(attribute.into()).and_then(|options| expand::expand(&options, function));
    task.unwrap_or_else(syn::Error::into_compile_error).into()
}
