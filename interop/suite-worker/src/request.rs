//! Tasks that tell what they know of their own message.

use std::collections::BTreeMap;

use apium::core::Registry;
use apium::core::protocol::RawJson;
use apium::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct TimeLimits {
    time_limit: Option<f64>,
    soft_time_limit: Option<f64>,
}

pub(crate) fn register(registry: &mut Registry) {
    registry.register(ids);
    registry.register(collect_ids);
    registry.register(return_priority);
    registry.register(return_request_eta);
    registry.register(return_properties);
    registry.register(return_request_time_limits);
    registry.register(task_with_declared_time_limits);
}

type Ids = (Option<String>, Option<String>, RawJson);

#[task(name = "t.integration.tasks.ids")]
async fn ids(context: Context, i: RawJson) -> Ids {
    of(&context, i)
}

#[task(name = "t.integration.tasks.collect_ids")]
async fn collect_ids(context: Context, res: RawJson, i: RawJson) -> (RawJson, Ids) {
    (res, of(&context, i))
}

#[task(name = "t.integration.tasks.return_priority")]
async fn return_priority(context: Context, #[args] _args: Vec<RawJson>) -> String {
    context.priority().map_or_else(|| "Priority: None".to_owned(), |priority| format!("Priority: {priority}"))
}

#[task(name = "t.integration.tasks.return_request_eta")]
async fn return_request_eta(context: Context) -> Option<String> {
    context.headers().eta.clone()
}

#[task(name = "t.integration.tasks.return_properties")]
async fn return_properties(context: Context) -> RawJson {
    context.properties().to_json()
}

#[task(name = "t.integration.tasks.return_request_time_limits")]
async fn return_request_time_limits(context: Context) -> TimeLimits {
    limits(&context)
}

#[task(name = "t.integration.tasks.task_with_declared_time_limits", time_limit = 60, soft_time_limit = 45)]
async fn task_with_declared_time_limits(context: Context) -> TimeLimits {
    limits(&context)
}

/// The headers a caller has added.
pub(crate) fn custom_headers(context: &Context) -> BTreeMap<String, RawJson> {
    context.headers().other.iter().cloned().collect()
}

fn of(context: &Context, i: RawJson) -> Ids {
    (context.headers().root_id.clone(), context.headers().parent_id.clone(), i)
}

fn limits(context: &Context) -> TimeLimits {
    let (time_limit, soft_time_limit) = context.headers().timelimit;
    TimeLimits { time_limit, soft_time_limit }
}
