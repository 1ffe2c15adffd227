//! Tasks that leave a trace in Redis, where the suite looks for it.

use apium::core::Registry;
use apium::core::context::Failed;
use apium::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::number::sum;

/// Where the suite's Redis is; two commands are all that is asked of it.
pub(crate) struct Redis {
    address: String,
}

pub(crate) fn register(registry: &mut Registry) {
    registry.register(redis_echo);
    registry.register(redis_echo_group_id);
    registry.register(redis_count);
    registry.register(sum_and_record);
    registry.register(errback_old_style);
    registry.register(errback_new_style);
    registry.register(errback_old_style_with_args);
    registry.register(errback_new_style_with_args);
}

#[task(name = "t.integration.tasks.redis_echo")]
pub(crate) async fn redis_echo(
    redis: State<Redis>,
    message: Value,
    #[default("redis-echo".to_owned())] redis_key: String,
) -> Result<(), TaskError> {
    redis.push(&redis_key, &message).await
}

#[task(name = "t.integration.tasks.redis_echo_group_id")]
async fn redis_echo_group_id(
    redis: State<Redis>,
    context: Context,
    _before: Value,
    #[default("redis-group-ids".to_owned())] redis_key: String,
) -> Result<(), TaskError> {
    redis.push(&redis_key, &Value::from(context.group())).await
}

#[task(name = "t.integration.tasks.redis_count")]
async fn redis_count(
    redis: State<Redis>,
    #[default("redis-count".to_owned())] redis_key: String,
) -> Result<(), TaskError> {
    redis.count(&redis_key).await
}

#[task(name = "t.integration.tasks.sum_and_record")]
async fn sum_and_record(
    redis: State<Redis>,
    context: Context,
    values: Vec<Value>,
    redis_key: String,
) -> Result<Value, TaskError> {
    let sum = sum(&values)?;
    redis.push(&redis_key, &Value::from(context.task_id())).await?;
    Ok(sum)
}

#[task(name = "t.integration.tasks.errback_old_style")]
async fn errback_old_style(redis: State<Redis>, request_id: String) -> Result<String, TaskError> {
    redis.count(&request_id).await?;
    Ok(request_id)
}

#[task(name = "t.integration.tasks.errback_new_style", errback)]
async fn errback_new_style(redis: State<Redis>, failed: Failed) -> Result<String, TaskError> {
    redis.count(&failed.request.id).await?;
    Ok(failed.request.id)
}

#[task(name = "t.integration.tasks.errback_old_style_with_args")]
async fn errback_old_style_with_args(redis: State<Redis>, request_id: String, label: Value) -> Result<(), TaskError> {
    redis.push(&request_id, &label).await
}

#[task(name = "t.integration.tasks.errback_new_style_with_args", errback)]
async fn errback_new_style_with_args(redis: State<Redis>, failed: Failed, label: Value) -> Result<(), TaskError> {
    redis.push(&failed.request.id, &label).await
}

impl Redis {
    pub(crate) fn new(host: &str, port: &str) -> Self {
        Self { address: format!("{host}:{port}") }
    }

    /// Appends a text or a number to a list.
    pub(crate) async fn push(&self, key: &str, value: &Value) -> Result<(), TaskError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => {
                let sentence = format!("Invalid input: {other}. Convert to a bytes, string, int or float first.");
                return Err(TaskError::exception("redis.exceptions", "DataError", sentence));
            }
        };
        self.command(&["RPUSH", key, &text]).await
    }

    /// Adds one to a number.
    async fn count(&self, key: &str) -> Result<(), TaskError> {
        self.command(&["INCR", key]).await
    }

    async fn command(&self, words: &[&str]) -> Result<(), TaskError> {
        let lines: Vec<_> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        let request = format!("*{}\r\n{}", words.len(), lines.concat());
        let mut stream = BufReader::new(TcpStream::connect(&self.address).await?);
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_line(&mut reply).await?;
        match reply.strip_prefix(':') {
            Some(_) => Ok(()),
            None => Err(TaskError::exception("redis.exceptions", "ResponseError", reply.trim_end())),
        }
    }
}
