//! A command as a Python client sends it: its method, and its arguments under the names the handlers know.

use super::Command;
use crate::RawJson;

impl Command {
    /// The method a request for the command names.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Clock => "clock",
            Self::Active { .. } => "active",
            Self::Reserved => "reserved",
            Self::Scheduled => "scheduled",
            Self::Revoked => "revoked",
            Self::Registered { .. } => "registered",
            Self::ActiveQueues => "active_queues",
            Self::QueryTask { .. } => "query_task",
            Self::Stats => "stats",
            Self::Conf { .. } => "conf",
            Self::Report => "report",
            Self::Memsample => "memsample",
            Self::Memdump { .. } => "memdump",
            Self::Objgraph { .. } => "objgraph",
            Self::Hello { .. } => "hello",
            Self::Revoke { .. } => "revoke",
            Self::Terminate { .. } => "terminate",
            Self::RevokeByStampedHeaders { .. } => "revoke_by_stamped_headers",
            Self::RateLimit { .. } => "rate_limit",
            Self::TimeLimit { .. } => "time_limit",
            Self::EnableEvents => "enable_events",
            Self::DisableEvents => "disable_events",
            Self::Heartbeat => "heartbeat",
            Self::AddConsumer { .. } => "add_consumer",
            Self::CancelConsumer { .. } => "cancel_consumer",
            Self::PoolGrow { .. } => "pool_grow",
            Self::PoolShrink { .. } => "pool_shrink",
            Self::PoolRestart { .. } => "pool_restart",
            Self::Autoscale { .. } => "autoscale",
            Self::Election { .. } => "election",
            Self::Shutdown { .. } => "shutdown",
        }
    }

    /// The arguments of a request for the command, an object.
    pub fn arguments(&self) -> RawJson {
        let members = match self {
            Self::Active { safe } => vec![("safe", json(safe))],
            Self::Registered { items, builtins } => vec![("taskinfoitems", json(items)), ("builtins", json(builtins))],
            Self::QueryTask { ids } => vec![("ids", json(ids))],
            Self::Conf { with_defaults } => vec![("with_defaults", json(with_defaults))],
            Self::Memdump { samples } => vec![("samples", json(samples))],
            Self::Objgraph { num, max_depth, object_type } => {
                vec![("num", json(num)), ("max_depth", json(max_depth)), ("type", json(object_type))]
            }
            Self::Hello { from_node, revoked } => vec![("from_node", json(from_node)), ("revoked", json(revoked))],
            Self::Revoke { task_ids, terminate, signal } => {
                vec![("task_id", json(task_ids)), ("terminate", json(terminate)), ("signal", signal.to_json())]
            }
            Self::Terminate { task_ids, signal } => vec![("signal", signal.to_json()), ("task_id", json(task_ids))],
            Self::RevokeByStampedHeaders { headers, terminate, signal } => vec![
                ("headers", headers.as_json().clone()),
                ("terminate", json(terminate)),
                ("signal", signal.to_json()),
            ],
            Self::RateLimit { task_name, rate_limit } => {
                vec![("task_name", json(task_name)), ("rate_limit", rate_limit.as_given().clone())]
            }
            Self::TimeLimit { task_name, hard, soft } => {
                vec![("task_name", json(task_name)), ("hard", json(hard)), ("soft", json(soft))]
            }
            Self::AddConsumer { queue, exchange, exchange_type, routing_key, options } => {
                return add_consumer(queue, exchange.as_deref(), exchange_type, routing_key.as_deref(), options);
            }
            Self::CancelConsumer { queue } => vec![("queue", json(queue))],
            Self::PoolGrow { n } | Self::PoolShrink { n } => vec![("n", json(n))],
            Self::PoolRestart { modules, reload } => {
                let all = modules.is_empty();
                let modules = if all { RawJson::null() } else { json(modules) };
                vec![("modules", modules), ("reload", json(reload)), ("reloader", RawJson::null())]
            }
            Self::Autoscale { max, min } => vec![("max", json(max)), ("min", json(min))],
            Self::Election { id, topic, action } => {
                vec![("id", json(id)), ("topic", json(topic)), ("action", action.clone())]
            }
            Self::Shutdown { message: Some(message) } => vec![("msg", json(message))],
            Self::Ping
            | Self::Clock
            | Self::Reserved
            | Self::Scheduled
            | Self::Revoked
            | Self::ActiveQueues
            | Self::Stats
            | Self::Report
            | Self::Memsample
            | Self::EnableEvents
            | Self::DisableEvents
            | Self::Heartbeat
            | Self::Shutdown { message: None } => Vec::new(),
        };
        object(members)
    }
}

fn add_consumer(
    queue: &str,
    exchange: Option<&str>,
    exchange_type: &str,
    routing_key: Option<&str>,
    options: &[(String, RawJson)],
) -> RawJson {
    let mut members = vec![
        ("queue", json(queue)),
        ("exchange", json(&exchange)),
        ("exchange_type", json(exchange_type)),
        ("routing_key", json(&routing_key)),
    ];
    members.extend(options.iter().map(|(key, value)| (key.as_str(), value.clone())));
    object(members)
}

fn object(members: Vec<(&str, RawJson)>) -> RawJson {
    let members: Vec<_> = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    RawJson::object(&members)
}

/// Texts, numbers and lists of texts can always be written.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> RawJson {
    RawJson::from(value).unwrap_or_default()
}
