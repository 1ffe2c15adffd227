//! The child's side: attempts come down the socket, one at a time; how each ended goes up.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use apium_core::context::{Attempt, States, Workflow};
use apium_core::protocol::Message;
use apium_core::{Broker, Call, Client, Context, Registry, ResultStore, TaskError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{dup2_stdin, getpgrp};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::frame::{Down, Ended, How, Start, Up, next_blocking};
use super::ports::Ports;
use crate::builtins;
use crate::job::{CallOff, Reason};
use crate::limits::{self, Ending, Limits};
use crate::threads::Threads;

/// What a child needs for any attempt.
struct Inside {
    registry: Registry,
    states: States,
    client: Client,
    ports: Ports,
    threads: Threads,
    /// Memory for data before the first attempt, in bytes.
    at_first: u64,
}

/// Runs attempts until the worker is gone.
pub(super) fn run(
    registry: &Registry,
    states: &States,
    clients: impl FnOnce(Arc<dyn Broker>, Arc<dyn ResultStore>) -> Client,
) -> ! {
    let ended = serve(registry, states, clients);
    // It is the worker's standard error; there is nobody else to tell.
    tracing::error!(error = ended.err().map(|error| error.to_string()), "a child of the worker cannot go on");
    exit(1)
}

fn serve(
    registry: &Registry,
    states: &States,
    clients: impl FnOnce(Arc<dyn Broker>, Arc<dyn ResultStore>) -> Client,
) -> io::Result<()> {
    let stream = take_socket()?;
    let (downs, down) = unbounded_channel();
    let reader = stream.try_clone()?;
    // A thread, because it must see the end of the worker also while every other thread computes.
    std::thread::Builder::new().name("apium-worker-gone".to_owned()).spawn(move || listen(reader, &downs))?;
    let ports = Ports::new(stream);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let inside = Arc::new(Inside {
        registry: builtins::beside(registry.clone()),
        states: states.clone(),
        client: clients(Arc::new(ports.clone()), Arc::new(ports.clone())),
        ports,
        threads: Threads::own(cores)?,
        at_first: memory("VmData:"),
    });
    Builder::new_current_thread().enable_all().build()?.block_on(obey(inside, down));
    Ok(())
}

/// The socket, moved from where tasks and what they start would read it.
fn take_socket() -> io::Result<UnixStream> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(socket))
}

/// Ends this process and all it has started when the worker is gone, or says what nobody understands.
fn listen(mut stream: UnixStream, downs: &UnboundedSender<Down>) {
    while let Ok(down) = next_blocking(&mut stream) {
        if downs.send(down).is_err() {
            break;
        }
    }
    // Nothing of it must go on unheard.
    let _ = killpg(getpgrp(), Signal::SIGKILL);
    exit(1)
}

async fn obey(inside: Arc<Inside>, mut down: UnboundedReceiver<Down>) {
    // A supervisor may signal every process of a service. It is the worker that knows what a stop means for a task, and it
    // tells; a child that ended by itself would count as a death.
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
    let _heard_by_nobody: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    if inside.ports.tell(&Up::Ready).is_err() {
        return;
    }
    let mut current = CallOff::default();
    while let Some(down) = down.recv().await {
        match down {
            Down::Start(start) => {
                current = CallOff::default();
                tokio::spawn(attempt(inside.clone(), *start, current.clone()));
            }
            // The worker knows the reason.
            Down::CallOff => current.because(Reason::Stopping),
            Down::Answer(errand, answer) => inside.ports.answered(errand, answer),
        }
    }
}

async fn attempt(inside: Arc<Inside>, start: Start, call_off: CallOff) {
    let limits = Limits::soft(start.soft_limit);
    allow(start.max_memory.map(|more| inside.at_first.saturating_add(more)));
    let (ending, stuck, children) = match call(&inside, start, &call_off) {
        Ok((task, call)) => {
            let (seat, context) = (inside.threads.seat(), call.context.clone());
            let (ending, stuck) = limits::run(&seat, task, call, limits, &call_off).await;
            (ending, stuck.is_some(), context.children())
        }
        Err(error) => (Ending::Returned(Err(error)), false, Vec::new()),
    };
    allow(None);
    let how = match ending {
        Ending::Returned(Ok(value)) => How::Value(value),
        Ending::Returned(Err(error)) => told(&error),
        Ending::Panicked(text) => How::Panicked(text),
        Ending::SoftLimit => How::SoftLimit,
        Ending::HardLimit(_) | Ending::CalledOff(_) | Ending::Stranded | Ending::Died(_) => How::CalledOff,
    };
    let ended = Ended { how, children, resident: memory("VmRSS:"), stuck };
    // Without a worker to tell, this process is about to end.
    let _ = inside.ports.tell(&Up::Ended(Box::new(ended)));
}

fn told(error: &TaskError) -> How {
    let written = error.to_crossing().or_else(|misfit| TaskError::new("TypeError", misfit.to_string()).to_crossing());
    How::Error(written.unwrap_or_default())
}

/// The task and its call, as the worker would make them.
fn call(inside: &Inside, start: Start, call_off: &CallOff) -> Result<(Arc<dyn apium_core::Task>, Call), TaskError> {
    let broken = |why: &dyn std::fmt::Display| TaskError::new("RuntimeError", why.to_string());
    let message = Message::decode(start.message.as_str().as_bytes()).map_err(|error| broken(&error))?;
    let payload = message.payload().map_err(|error| broken(&error))?;
    let task = inside.registry.get(&message.headers.task).cloned();
    let task = task.ok_or_else(|| broken(&"the child of the worker does not know this task"))?;
    let args = payload.args.elements().map_err(|error| broken(&error))?;
    let kwargs = payload.kwargs.members().map_err(|error| broken(&error))?;
    let context = Context::new(Attempt {
        headers: message.headers.into(),
        properties: message.properties.into(),
        queue: start.queue.into(),
        worker: start.worker,
        redelivered: start.redelivered,
        client: inside.client.clone(),
        result_expires: start.result_expires,
        extended: start.extended,
        ignore_result: start.ignore_result,
        states: inside.states.clone(),
        soft_limit: CancellationToken::new(),
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: call_off.token().clone(),
        workflow: Workflow { embed: payload.embed.into(), ..Workflow::default() },
    });
    Ok((task, Call { args, kwargs, context }))
}

/// Bounds the memory for data of this process, in bytes; without a number, as it was when it began.
fn allow(most: Option<u64>) {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_DATA) else { return };
    if let Err(error) = setrlimit(Resource::RLIMIT_DATA, most.map_or(hard, |most| most.min(hard)), hard) {
        tracing::warn!(%error, "a child's memory cannot be limited");
    }
}

/// A line of this process's status, in bytes; 0 where the system does not tell.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|told| told.strip_prefix(line)?.split_ascii_whitespace().next()?.parse().ok());
    found.unwrap_or(0) * 1024
}
