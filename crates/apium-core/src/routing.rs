//! Where a task goes, and why: Celery's `task_routes`, `task_queues` and defaults, decided as Celery decides them.
//!
//! A name comes here from [`crate::client`]; what comes out is a [`Destination`]. What the sender asks for goes before
//! the task's own queue, that before the first rule that covers the name, and that before the default queue.
//! Python's compiled patterns cannot be written in a settings file, and are not known here.

mod check;
mod literal;
mod order;
mod queues;
mod route;
mod rules;
mod way;
mod why;

use std::collections::HashMap;
use std::sync::Arc;

use apium_protocol::RawJson;

pub use check::Finding;
pub use order::{QueueCycle, QueueOrder, UnknownOrder};
pub use queues::{Binding, DeclaredQueue, ExchangeType};
pub use route::Route;
pub use rules::{Rule, Rules};
pub use why::{Explanation, Why};

/// Which way a task is sent when its sender does not say it all.
#[derive(Clone)]
pub struct Routes {
    default_queue: String,
    default_exchange: Option<String>,
    default_exchange_type: ExchangeType,
    default_routing_key: Option<String>,
    default_priority: Option<u8>,
    create_missing: bool,
    queues: Vec<DeclaredQueue>,
    routers: Vec<Router>,
    own: HashMap<String, String>,
}

/// What is asked for a way, one after the other.
#[derive(Clone)]
enum Router {
    Rules(Rules),
    Function(Arc<Function>),
}

/// A task's name in, its way out.
type Function = dyn Fn(&str) -> Option<Route> + Send + Sync;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The queue that was named, or the default one; `None` where only an exchange was named.
    pub queue: Option<String>,
    /// The exchange; empty: straight to the queue that the routing key names.
    pub exchange: String,
    /// The routing key; empty when there is none.
    pub routing_key: String,
    /// The priority, if anyone named one.
    pub priority: Option<u8>,
    /// Further options of the rule and the sender, such as `serializer`.
    pub other: Vec<(String, RawJson)>,
    /// The queues it arrives in, as far as this program knows them; none: it would be lost.
    pub arrives: Vec<String>,
    /// Who decided.
    pub why: Why,
}

/// Why a task has no way, or why routes or queues cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Missing queues are not to be made, and this one is not declared.
    #[error(
        "{task} cannot be sent: the queue {queue} is not among task_queues, and task_create_missing_queues is false. \
         Declare it there, or correct the name"
    )]
    UnknownQueue {
        /// The task.
        task: String,
        /// The queue.
        queue: String,
    },
    /// What was written is not what Celery takes.
    #[error("{0}")]
    Unreadable(String),
}

impl Routes {
    /// Where what has no rule goes. Default `celery`.
    pub fn default_queue(&self) -> &str {
        &self.default_queue
    }

    /// Sets where what has no rule goes (Celery's `task_default_queue`).
    pub fn with_default_queue(mut self, queue: impl Into<String>) -> Self {
        self.default_queue = queue.into();
        self
    }

    /// Sets the exchange of queues that name none (`task_default_exchange`), and its type. Default: named as the
    /// default queue, and direct.
    pub fn with_default_exchange(mut self, exchange: Option<String>, exchange_type: ExchangeType) -> Self {
        (self.default_exchange, self.default_exchange_type) = (exchange.filter(|name| !name.is_empty()), exchange_type);
        self
    }

    /// Sets `task_default_routing_key`. Default: the name of the default queue.
    pub fn with_default_routing_key(mut self, routing_key: impl Into<String>) -> Self {
        self.default_routing_key = Some(routing_key.into()).filter(|key| !key.is_empty());
        self
    }

    /// Sets the priority of what neither the sender nor a rule gives one (`task_default_priority`). Default none, which
    /// is 0; on Redis, as in kombu, 0 comes first.
    pub fn with_default_priority(mut self, priority: u8) -> Self {
        self.default_priority = Some(priority);
        self
    }

    /// Whether a queue that is not declared may be sent to (`task_create_missing_queues`). Default true.
    pub fn with_create_missing(mut self, create: bool) -> Self {
        self.create_missing = create;
        self
    }

    /// Declares queues; one of the same name is replaced.
    pub fn with_queues(mut self, queues: impl IntoIterator<Item = DeclaredQueue>) -> Self {
        for queue in queues {
            self.queues.retain(|known| known.name != queue.name);
            self.queues.push(queue);
        }
        self
    }

    /// Adds tables of rules, behind those there are.
    pub fn with_rules(mut self, tables: impl IntoIterator<Item = Rules>) -> Self {
        self.routers.extend(tables.into_iter().map(Router::Rules));
        self
    }

    /// Adds one rule, behind those there are: tasks whose name the pattern covers go this way.
    pub fn with_rule(mut self, pattern: impl Into<String>, route: impl Into<Route>) -> Self {
        let rule = Rule { pattern: pattern.into(), route: Some(route.into()) };
        if let Some(Router::Rules(rules)) = self.routers.last_mut() {
            rules.add(rule);
            return self;
        }
        self.with_rules([Rules::from_iter([rule])])
    }

    /// Adds a function that is asked behind the rules there are; `None` leaves the task to what follows.
    pub fn with_function(mut self, function: impl Fn(&str) -> Option<Route> + Send + Sync + 'static) -> Self {
        self.routers.push(Router::Function(Arc::new(function)));
        self
    }

    /// Sets the queue a task names for itself, which goes before every rule, as in Celery.
    pub fn with_own_queue(mut self, task: impl Into<String>, queue: impl Into<String>) -> Self {
        self.own.insert(task.into(), queue.into());
        self
    }

    /// Puts rules and queues of another before its own: settings go before what a program has written.
    pub fn preceded_by(mut self, first: Self) -> Self {
        self.routers = first.routers.into_iter().chain(self.routers).collect();
        self.with_queues(first.queues)
    }

    /// The declared queues.
    pub fn queues(&self) -> &[DeclaredQueue] {
        &self.queues
    }

    /// Every rule in the order they are asked, functions left out.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.tables().flat_map(|(_, rules)| rules.iter())
    }

    /// The queue a task arrives in whose sender asks for nothing; the default one when it has no way.
    pub fn queue_of(&self, task: &str) -> String {
        let arrives = self.route(task, &Route::default()).map(|destination| destination.arrives);
        arrives.ok().and_then(|queues| queues.into_iter().next()).unwrap_or_else(|| self.default_queue.clone())
    }

    fn tables(&self) -> impl Iterator<Item = (usize, &Rules)> {
        self.routers.iter().enumerate().filter_map(|(at, router)| match router {
            Router::Rules(rules) => Some((at, rules)),
            Router::Function(_) => None,
        })
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            default_queue: "celery".to_owned(),
            default_exchange: None,
            default_exchange_type: ExchangeType::Direct,
            default_routing_key: None,
            default_priority: None,
            create_missing: true,
            queues: Vec::new(),
            routers: Vec::new(),
            own: HashMap::new(),
        }
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules = self.rules().map(|rule| &rule.pattern).collect::<Vec<_>>();
        let Self { default_queue, queues, .. } = self;
        f.debug_struct("Routes")
            .field("default_queue", default_queue)
            .field("queues", queues)
            .field("rules", &rules)
            .finish_non_exhaustive()
    }
}
