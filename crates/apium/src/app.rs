//! An app: the tasks of a program, the state they share, and where they are sent.

use std::collections::BTreeMap;

use apium_beat::{Entry, Origin, Scheduler};
use apium_core::client::hostname;
use apium_core::context::States;
use apium_core::routing::{Route, Routes};
use apium_core::{Client, Registry, Task};
use apium_worker::{Inline, Worker, WorkerOptions};

use crate::backend::Backend;

/// The tasks a program knows. The same app makes the worker and the client.
#[derive(Clone)]
pub struct App {
    name: String,
    registry: Registry,
    states: States,
    routes: Routes,
    schedules: BTreeMap<String, Entry>,
}

impl App {
    /// An app without tasks.
    pub fn new(name: impl Into<String>) -> Self {
        let (registry, states, routes) = (Registry::default(), States::default(), Routes::default());
        Self { name: name.into(), registry, states, routes, schedules: BTreeMap::new() }
    }

    /// Adds a task.
    pub fn task(mut self, task: impl Task) -> Self {
        self.registry.register(task);
        self
    }

    /// Adds all tasks of a registry, such as a service's.
    pub fn tasks(mut self, add: impl FnOnce(&mut Registry)) -> Self {
        add(&mut self.registry);
        self
    }

    /// Makes a task answer to a second name too; without effect when the first is not known.
    pub fn alias(mut self, name: &str, alias: &str) -> Self {
        self.registry.alias(name, alias);
        self
    }

    /// Shares a value with all tasks, which take it as `State<T>`; one value a type.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states = self.states.with(value);
        self
    }

    /// Where tasks are sent that neither name a queue nor have a rule. Default `celery`.
    pub fn default_queue(self, queue: impl Into<String>) -> Self {
        self.routing(|routes| routes.with_default_queue(queue))
    }

    /// Sends tasks whose name this pattern covers (`scan.*`) to a queue; the first rule that covers a name counts, and
    /// a rule without a `*` before those with one. Without effect on a task that names its own queue.
    pub fn route(self, pattern: impl Into<String>, to: impl Into<Route>) -> Self {
        self.routing(|routes| routes.with_rule(pattern, to))
    }

    /// Asks a function where a task of this name goes, after the rules before it; `None` leaves it to what follows:
    /// `app.router(|name| name.ends_with(".slow").then(|| "slow".into()))`.
    pub fn router(self, function: impl Fn(&str) -> Option<Route> + Send + Sync + 'static) -> Self {
        self.routing(|routes| routes.with_function(function))
    }

    /// Changes the routes as a whole, such as to declare queues.
    pub fn routing(mut self, change: impl FnOnce(Routes) -> Routes) -> Self {
        self.routes = change(self.routes);
        self
    }

    /// Sends a task by a schedule, wherever a scheduler of this app runs: [`App::scheduler`], `apium up`, `apium beat`. One of
    /// the same name takes the place of the one before.
    pub fn schedule(mut self, entry: Entry) -> Self {
        let origin = if entry.origin == Origin::File { Origin::File } else { Origin::Code };
        self.schedules.insert(entry.name.clone(), Entry { origin, ..entry });
        self
    }

    /// Its schedules, by name.
    pub fn schedules(&self) -> impl Iterator<Item = &Entry> {
        self.schedules.values()
    }

    /// The app's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What all tasks share.
    pub(crate) fn states(&self) -> &States {
        &self.states
    }

    /// Where its tasks are sent: each to the queue it names for itself, the others by the rules.
    pub fn routes(&self) -> Routes {
        let own = self.registry.iter().filter_map(|(name, task)| Some((name, task.options().queue?)));
        own.fold(self.routes.clone(), |routes, (name, queue)| routes.with_own_queue(name, queue))
    }

    /// The queues its tasks are sent to and those declared, the default one last.
    pub fn queues(&self) -> Vec<String> {
        let routes = self.routes();
        let declared = routes.queues().iter().map(|queue| queue.name.clone());
        let arrives = |name: String| routes.route(&name, &Route::default()).map(|to| to.arrives).unwrap_or_default();
        let mut queues: Vec<_> = self.registry.names().into_iter().flat_map(arrives).chain(declared).collect();
        queues.sort();
        queues.dedup();
        queues.retain(|queue| queue != routes.default_queue());
        queues.push(routes.default_queue().to_owned());
        queues
    }

    /// A client that sends to this backend, each task where the routes say.
    pub fn client(&self, backend: &Backend) -> Client {
        Client::new(backend.broker.clone(), backend.results.clone(), self.routes()).with_bodies(backend.bodies.clone())
    }

    /// Runs what is sent in the program that sends it, before the sending returns: `app.inline(&backend).client()`. Of
    /// the backend, only the results are used; on `memory://` nobody else sees them.
    pub fn inline(&self, backend: &Backend) -> Inline {
        let (app, backend) = (self.clone(), backend.clone());
        let results = backend.results.clone();
        let clients = move |broker, results| {
            let mut inline = backend.clone();
            (inline.broker, inline.results) = (broker, results);
            app.client(&inline)
        };
        let options = WorkerOptions { queues: self.queues(), ..WorkerOptions::default() };
        Inline::new(self.registry.clone(), self.states.clone(), clients).storing_in(results).with_options(options)
    }

    /// A scheduler on this backend, one of any number, of which one leads; `.run(stop)` schedules until that resolves.
    pub fn scheduler(&self, backend: &Backend) -> Scheduler {
        let name = format!("{}@{}", self.name, hostname());
        Scheduler::new(self.client(backend), &name).declaring(self.schedules().cloned().collect())
    }

    /// A worker on this backend; `.run(stop)` works until asked to stop.
    pub fn worker(&self, backend: &Backend, options: WorkerOptions) -> Worker {
        Worker::new(options, self.registry.clone(), self.states.clone(), self.client(backend))
    }
}
