//! Tasks that are tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use apium::core::protocol::RawJson;
use apium::core::{Registry, Retry};
use apium::prelude::*;
use serde::{Deserialize, Serialize};

use crate::failing::{expected, unpickleable};
use crate::request::custom_headers;

/// How often `retry` was tried in this process since it last returned.
#[derive(Default)]
pub(crate) struct Tries {
    made: AtomicU32,
}

/// How a caller wants a task to be tried again.
#[derive(Deserialize, Serialize)]
struct RetryKwargs {
    countdown: f64,
    max_retries: u32,
}

#[derive(Serialize)]
struct Told {
    foo: i64,
    bar: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<RawJson>,
    retries: u32,
    is_eager: bool,
}

pub(crate) fn register(registry: &mut Registry) {
    registry.register(retry);
    registry.register(retry_unpickleable);
    registry.register(retry_with_args_after_kwargs);
    registry.register(retry_with_kwargs_after_args);
    registry.register(retry_once);
    registry.register(retry_once_ignore_result);
    registry.register(retry_once_with_result);
    registry.register(retry_once_priority);
    registry.register(retry_once_headers);
    registry.register(auto_retry_class_task);
}

/// Tried again until it may not be any more; with something to return, three times.
#[task(name = "t.integration.tasks.retry", default_retry_delay = 1)]
async fn retry(tries: State<Tries>, return_value: Option<RawJson>) -> Result<RawJson, TaskError> {
    if let Some(value) = return_value
        && tries.made.fetch_add(1, Ordering::Relaxed) >= 3
    {
        tries.made.store(0, Ordering::Relaxed);
        return Ok(value);
    }
    Err(expected(&[]).retry_with(Retry::new().countdown(Duration::from_secs(5))))
}

#[task(name = "t.integration.tasks.retry_unpickleable", default_retry_delay = 1)]
async fn retry_unpickleable(foo: RawJson, bar: RawJson, retry_kwargs: RetryKwargs) -> Result<(), TaskError> {
    drop(bar);
    let RetryKwargs { countdown, max_retries } = retry_kwargs;
    Err(unpickleable(&foo).retry_with(after(countdown).max_retries(max_retries)))
}

#[task(name = "t.integration.tasks.retry_with_args_after_kwargs", max_retries = 1)]
async fn retry_with_args_after_kwargs(
    context: Context,
    foo: i64,
    bar: i64,
    #[default] label: RawJson,
) -> Result<Told, TaskError> {
    match context.retries() {
        0 => Err(TaskError::retry(after(0.0).arg(foo + 1).arg(bar + 1))),
        retries => Ok(Told { foo, bar, label: Some(label), retries, is_eager: false }),
    }
}

#[task(name = "t.integration.tasks.retry_with_kwargs_after_args", max_retries = 1)]
async fn retry_with_kwargs_after_args(context: Context, foo: i64, bar: i64) -> Result<Told, TaskError> {
    match context.retries() {
        0 => Err(TaskError::retry(after(0.0).kwarg("foo", foo + 1))),
        retries => Ok(Told { foo, bar, label: None, retries, is_eager: false }),
    }
}

#[task(name = "t.integration.tasks.retry_once", expires = 120, max_retries = 1)]
async fn retry_once(
    context: Context,
    #[args] _args: Vec<RawJson>,
    expires: Option<f64>,
    #[default(1)] max_retries: u32,
    #[default(0.1)] countdown: f64,
) -> Result<u32, TaskError> {
    let again = after(countdown).max_retries(max_retries);
    let again = match expires {
        Some(seconds) => again.expires_in(Duration::from_secs_f64(seconds)),
        None => again,
    };
    once(&context, again).map(|()| context.retries())
}

#[task(name = "t.integration.tasks.retry_once_ignore_result", ignore_result)]
async fn retry_once_ignore_result(context: Context) -> Result<u32, TaskError> {
    once(&context, after(0.0)).map(|()| context.retries())
}

#[task(name = "t.integration.tasks.retry_once_with_result", ignore_result = false)]
async fn retry_once_with_result(context: Context) -> Result<u32, TaskError> {
    once(&context, after(0.0)).map(|()| context.retries())
}

#[task(name = "t.integration.tasks.retry_once_priority", max_retries = 1)]
async fn retry_once_priority(
    context: Context,
    #[args] _args: Vec<RawJson>,
    expires: Option<f64>,
    #[default(1)] max_retries: u32,
    #[default(0.1)] countdown: f64,
) -> Result<Option<i64>, TaskError> {
    // Celery's own task takes it and does nothing with it either.
    let _ = expires;
    once(&context, after(countdown).max_retries(max_retries)).map(|()| context.priority())
}

#[task(name = "t.integration.tasks.retry_once_headers", max_retries = 1)]
async fn retry_once_headers(
    context: Context,
    #[args] _args: Vec<RawJson>,
    #[default(1)] max_retries: u32,
    #[default(0.1)] countdown: f64,
) -> Result<BTreeMap<String, RawJson>, TaskError> {
    once(&context, after(countdown).max_retries(max_retries)).map(|()| custom_headers(&context))
}

#[task(name = "auto_retry_class_task", autoretry, max_retries = 1, retry_backoff = 1)]
async fn auto_retry_class_task(context: Context) -> Result<u32, TaskError> {
    match context.retries() {
        0 => Err(TaskError::new("ValueError", "")),
        retries => Ok(retries),
    }
}

fn after(seconds: f64) -> Retry {
    Retry::new().countdown(Duration::from_secs_f64(seconds))
}

/// An error the first time.
fn once(context: &Context, again: Retry) -> Result<(), TaskError> {
    if context.retries() == 0 { Err(TaskError::retry(again)) } else { Ok(()) }
}
