//! Every command a Celery worker answers, as one enum: made from the method and arguments of a request, and written
//! as the arguments a Python client sends.

use super::{Rate, Refusal, Signal, StampedHeaders, arguments::Arguments, hello::revoked_ids, method, method::Method};
use crate::RawJson;

/// One command with its arguments. What inspects only asks; what controls changes something.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Inspects: are you there?
    Ping,
    /// Inspects: the Lamport clock.
    Clock,
    /// Inspects: the tasks that run.
    Active {
        /// Whether to show arguments as texts only.
        safe: bool,
    },
    /// Inspects: the tasks that were taken and neither run nor wait for their time.
    Reserved,
    /// Inspects: the tasks that wait for their time.
    Scheduled,
    /// Inspects: the ids that were called off.
    Revoked,
    /// Inspects: the tasks a worker knows.
    Registered {
        /// Which of a task's attributes to show; empty for the usual ones.
        items: Vec<String>,
        /// Whether to name Celery's own tasks too.
        builtins: bool,
    },
    /// Inspects: the queues a worker consumes.
    ActiveQueues,
    /// Inspects: where these tasks are.
    QueryTask {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Inspects: counts, pool, broker and resources.
    Stats,
    /// Inspects: the settings.
    Conf {
        /// Whether to show those left at their default.
        with_defaults: bool,
    },
    /// Inspects: versions and settings as a text.
    Report,
    /// Inspects: the memory in use now.
    Memsample,
    /// Inspects: the memory in use at earlier samples.
    Memdump {
        /// How many samples. Default 10.
        samples: i64,
    },
    /// Inspects: a drawing of Python objects; nothing another language could give.
    Objgraph {
        /// How many objects. Default 200.
        num: i64,
        /// How deep. Default 10.
        max_depth: i64,
        /// Of which type. Default `Request`.
        object_type: String,
    },
    /// Inspects: a worker that starts introduces itself and hands over what it knows to be called off.
    Hello {
        /// The worker that asks.
        from_node: String,
        /// The ids it knows.
        revoked: Vec<String>,
    },
    /// Calls tasks off.
    Revoke {
        /// Their ids.
        task_ids: Vec<String>,
        /// Whether to end those that run.
        terminate: bool,
        /// With which signal. Default `SIGTERM`.
        signal: Signal,
    },
    /// Calls tasks off and ends those that run.
    Terminate {
        /// Their ids.
        task_ids: Vec<String>,
        /// With which signal.
        signal: Signal,
    },
    /// Calls off the tasks that carry a stamp.
    RevokeByStampedHeaders {
        /// The stamps.
        headers: StampedHeaders,
        /// Whether to end those that run.
        terminate: bool,
        /// With which signal. Default `SIGTERM`.
        signal: Signal,
    },
    /// Sets how often a task may start.
    RateLimit {
        /// The name of the task.
        task_name: String,
        /// The limit.
        rate_limit: Rate,
    },
    /// Sets how long a task may run.
    TimeLimit {
        /// The name of the task; none is unknown to every worker.
        task_name: Option<String>,
        /// Seconds until it is ended; `None` for no limit.
        hard: Option<f64>,
        /// Seconds until it is told; `None` for no limit.
        soft: Option<f64>,
    },
    /// Lets a worker send task events.
    EnableEvents,
    /// Lets a worker send no task events.
    DisableEvents,
    /// Lets a worker send a heartbeat at once.
    Heartbeat,
    /// Lets a worker consume one queue more.
    AddConsumer {
        /// The queue.
        queue: String,
        /// Its exchange; that of the queue's name when `None`.
        exchange: Option<String>,
        /// The type of the exchange. Default `direct`.
        exchange_type: String,
        /// The routing key; the queue's name when `None`.
        routing_key: Option<String>,
        /// Further options of the queue.
        options: Vec<(String, RawJson)>,
    },
    /// Lets a worker consume one queue less.
    CancelConsumer {
        /// The queue.
        queue: String,
    },
    /// Lets a worker run more tasks at once.
    PoolGrow {
        /// How many more. Default 1.
        n: i64,
    },
    /// Lets a worker run fewer tasks at once.
    PoolShrink {
        /// How many fewer. Default 1.
        n: i64,
    },
    /// Lets a worker start its processes anew.
    PoolRestart {
        /// The Python modules to load.
        modules: Vec<String>,
        /// Whether to load those again that are loaded.
        reload: bool,
    },
    /// Sets the range within which a worker sizes itself.
    Autoscale {
        /// At most; unchanged when `None`.
        max: Option<i64>,
        /// At least; unchanged when `None`.
        min: Option<i64>,
    },
    /// Lets a worker call an election. Not to be sent to a Python worker that is alone: it would die of it.
    Election {
        /// The id of the election.
        id: String,
        /// What the winner is to do.
        topic: String,
        /// With what.
        action: RawJson,
    },
    /// Lets a worker end what it runs and stop. Nobody replies to it.
    Shutdown {
        /// What to write into the log.
        message: Option<String>,
    },
}

impl Command {
    /// Makes a command of a request's method, by its name or its older one, and arguments.
    ///
    /// # Errors
    /// For an unknown method and arguments that do not fit, the reply a Python worker would give. What its handlers
    /// pass over is passed over here.
    pub fn parse(method: &str, arguments: &RawJson) -> Result<Self, Refusal> {
        let method = method::find(method).ok_or_else(|| Refusal::raised("KeyError", method))?;
        let arguments = Arguments::bind(method, arguments)?;
        if method.inspects { Self::inspect(method, &arguments) } else { Self::control(method, arguments) }
    }

    /// Whether the command only asks; `apium inspect` and `apium control` divide them so.
    pub fn inspects(&self) -> bool {
        method::find(self.name()).is_some_and(|method| method.inspects)
    }

    /// Whether workers reply to it at all.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::Shutdown { .. })
    }

    fn inspect(method: &Method, arguments: &Arguments) -> Result<Self, Refusal> {
        Ok(match method.name {
            "ping" => Self::Ping,
            "clock" => Self::Clock,
            "active" => Self::Active { safe: arguments.flag("safe") },
            "reserved" => Self::Reserved,
            "scheduled" => Self::Scheduled,
            "revoked" => Self::Revoked,
            "registered" => {
                Self::Registered { items: arguments.texts("taskinfoitems")?, builtins: arguments.flag("builtins") }
            }
            "active_queues" => Self::ActiveQueues,
            "query_task" => Self::QueryTask { ids: arguments.texts("ids")? },
            "stats" => Self::Stats,
            "conf" => Self::Conf { with_defaults: arguments.flag("with_defaults") },
            "report" => Self::Report,
            "memsample" => Self::Memsample,
            "memdump" => Self::Memdump { samples: arguments.integer("samples")?.unwrap_or(10) },
            "objgraph" => Self::Objgraph {
                num: arguments.integer("num")?.unwrap_or(200),
                max_depth: arguments.integer("max_depth")?.unwrap_or(10),
                object_type: arguments.text("type")?.unwrap_or_else(|| "Request".to_owned()),
            },
            "hello" => Self::Hello {
                from_node: arguments.needed("from_node")?,
                revoked: revoked_ids(&arguments.raw("revoked")),
            },
            other => return Err(Refusal::raised("KeyError", other)),
        })
    }

    fn control(method: &Method, arguments: Arguments) -> Result<Self, Refusal> {
        Ok(match method.name {
            "revoke" | "terminate" | "revoke_by_stamped_headers" => return Self::call_off(method, &arguments),
            "rate_limit" => Self::RateLimit {
                // The limit is judged before the name, as a Python worker does.
                rate_limit: Rate::parse(&arguments.raw("rate_limit"))?,
                task_name: arguments.needed("task_name")?,
            },
            "time_limit" => Self::TimeLimit {
                task_name: arguments.text("task_name")?,
                hard: arguments.number("hard")?,
                soft: arguments.number("soft")?,
            },
            "enable_events" => Self::EnableEvents,
            "disable_events" => Self::DisableEvents,
            "heartbeat" => Self::Heartbeat,
            "add_consumer" => Self::AddConsumer {
                queue: arguments.needed("queue")?,
                exchange: arguments.text("exchange")?,
                exchange_type: arguments
                    .text("exchange_type")?
                    .filter(|kind| !kind.is_empty())
                    .unwrap_or_else(|| "direct".to_owned()),
                routing_key: arguments.text("routing_key")?,
                options: arguments.others(&["queue", "exchange", "exchange_type", "routing_key"]),
            },
            "cancel_consumer" => Self::CancelConsumer { queue: arguments.needed("queue")? },
            "pool_grow" => Self::PoolGrow { n: arguments.integer("n")?.unwrap_or(1) },
            "pool_shrink" => Self::PoolShrink { n: arguments.integer("n")?.unwrap_or(1) },
            "pool_restart" => {
                Self::PoolRestart { modules: arguments.texts("modules")?, reload: arguments.flag("reload") }
            }
            "autoscale" => Self::Autoscale { max: arguments.integer("max")?, min: arguments.integer("min")? },
            "election" => Self::Election {
                id: arguments.needed("id")?,
                topic: arguments.needed("topic")?,
                action: arguments.raw("action"),
            },
            "shutdown" => Self::Shutdown { message: arguments.text("msg")? },
            other => return Err(Refusal::raised("KeyError", other)),
        })
    }

    fn call_off(method: &Method, arguments: &Arguments) -> Result<Self, Refusal> {
        let signal = || {
            let given = arguments.raw("signal");
            if super::arguments::truthy(&given) { Signal::parse(&given) } else { Ok(Signal::default()) }
        };
        let terminate = arguments.flag("terminate");
        Ok(match method.name {
            "terminate" => Self::Terminate { task_ids: arguments.texts("task_id")?, signal: signal()? },
            "revoke_by_stamped_headers" => Self::RevokeByStampedHeaders {
                signal: signal()?,
                headers: StampedHeaders::parse(&arguments.raw("headers"))?,
                terminate,
            },
            _ => Self::Revoke {
                task_ids: arguments.texts("task_id")?,
                terminate,
                // A Python worker does not look at the signal unless it needs one.
                signal: if terminate { signal()? } else { Signal::default() },
            },
        })
    }
}
