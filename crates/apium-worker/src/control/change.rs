//! The commands that change how a worker works: queues, slots, limits, events.

use apium_core::protocol::control::{ActiveQueue, Answer, Command, QueueExchange, Rate};
use apium_core::protocol::event::EventKind;

use crate::events;
use crate::station::Station;

/// Carries it out; `None`: the reply is null.
pub(super) fn change(station: &Station, command: Command) -> Option<Answer> {
    Some(match command {
        Command::RateLimit { task_name, rate_limit } => limit_rate(station, &task_name, rate_limit),
        Command::TimeLimit { task_name, hard, soft } => limit_time(station, task_name, hard, soft),
        Command::EnableEvents => switch_events(station, true),
        Command::DisableEvents => switch_events(station, false),
        Command::Heartbeat => {
            if !station.options.without_heartbeat {
                station.say(EventKind::WorkerHeartbeat(events::asked_for()));
            }
            return None;
        }
        Command::AddConsumer { queue, exchange, exchange_type, routing_key, options: _ } => {
            tracing::info!(queue, "asked by remote control to consume one queue more");
            station.queues.add(active_queue(&queue, exchange, exchange_type, routing_key));
            Answer::ConsumerAdded(queue)
        }
        Command::CancelConsumer { queue } => {
            tracing::info!(queue, "asked by remote control to consume one queue less");
            station.queues.cancel(&queue);
            Answer::ConsumerCancelled(queue)
        }
        Command::PoolGrow { n } => {
            station.slots.grow(usize::try_from(n).unwrap_or(0));
            tracing::info!(n, slots = station.slots.count(), "asked by remote control to run more tasks at once");
            Answer::PoolGrows
        }
        Command::PoolShrink { n } => {
            if !station.slots.shrink(usize::try_from(n).unwrap_or(0)) {
                return Some(Answer::PoolBusy);
            }
            tracing::info!(n, slots = station.slots.count(), "asked by remote control to run fewer tasks at once");
            Answer::PoolShrinks
        }
        // There are no processes to start anew, and slots that nobody uses cost nothing.
        Command::PoolRestart { .. } => Answer::PoolRestartsDisabled,
        Command::Autoscale { .. } => Answer::AutoscaleDisabled,
        _ => return None,
    })
}

fn limit_rate(station: &Station, task: &str, rate: Rate) -> Answer {
    if station.registry.get(task).is_none() {
        return Answer::UnknownTask;
    }
    let off = rate.is_off();
    tracing::info!(task, rate = rate.as_given().as_str(), "asked by remote control to limit how often a task starts");
    station.rates.set(task, rate);
    if off { Answer::RateLimitDisabled } else { Answer::RateLimitSet }
}

fn limit_time(station: &Station, task: Option<String>, hard: Option<f64>, soft: Option<f64>) -> Answer {
    let Some(task) = task.filter(|task| station.registry.get(task).is_some()) else { return Answer::UnknownTask };
    tracing::info!(task, hard, soft, "asked by remote control to limit how long a task runs");
    station.bounds.set(&task, hard, soft);
    Answer::TimeLimitsSet
}

fn switch_events(station: &Station, on: bool) -> Answer {
    let answer = station.events.switch_tasks(on);
    if matches!(answer, Answer::EventsEnabled | Answer::EventsDisabled) {
        tracing::info!(on, "events of tasks switched by remote control");
    }
    answer
}

fn active_queue(queue: &str, exchange: Option<String>, kind: String, routing_key: Option<String>) -> ActiveQueue {
    let usual = ActiveQueue::new(queue);
    let name = exchange.unwrap_or_else(|| usual.exchange.name.clone());
    ActiveQueue {
        exchange: QueueExchange { name, kind, ..usual.exchange },
        routing_key: routing_key.unwrap_or(usual.routing_key),
        ..usual
    }
}
