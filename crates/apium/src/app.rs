//! An app: the tasks of a program, the state they share, and where they are sent.

use apium_core::context::States;
use apium_core::{Client, Registry, Routes, Task};
use apium_worker::{Worker, WorkerOptions};

use crate::backend::Backend;

/// The tasks a program knows. The same app makes the worker and the client.
#[derive(Clone)]
pub struct App {
    name: String,
    registry: Registry,
    states: States,
    default_queue: String,
}

impl App {
    /// An app without tasks.
    pub fn new(name: impl Into<String>) -> Self {
        let default_queue = Routes::default().default_queue;
        Self { name: name.into(), registry: Registry::default(), states: States::default(), default_queue }
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

    /// Where tasks without a queue of their own are sent. Default `celery`.
    pub fn default_queue(mut self, queue: impl Into<String>) -> Self {
        self.default_queue = queue.into();
        self
    }

    /// The app's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The queues its tasks are sent to, the default one last.
    pub fn queues(&self) -> Vec<String> {
        let mut queues: Vec<_> = self.registry.iter().filter_map(|(_, task)| task.options().queue).collect();
        queues.sort();
        queues.dedup();
        queues.retain(|queue| *queue != self.default_queue);
        queues.push(self.default_queue.clone());
        queues
    }

    /// A client that sends to this backend, each task to its own queue.
    pub fn client(&self, backend: &Backend) -> Client {
        let own_queue =
            |(name, task): (&str, &std::sync::Arc<dyn Task>)| Some((name.to_owned(), task.options().queue?));
        let by_task = self.registry.iter().filter_map(own_queue).collect();
        let routes = Routes { default_queue: self.default_queue.clone(), by_task };
        Client::new(backend.broker.clone(), backend.results.clone(), routes)
    }

    /// A worker on this backend; `.run(stop)` works until asked to stop.
    pub fn worker(&self, backend: &Backend, options: WorkerOptions) -> Worker {
        Worker::new(options, self.registry.clone(), self.states.clone(), self.client(backend))
    }
}
