//! Tasks that leave a trace in Redis, where the suite looks for it.

use apium::core::Registry;
use apium::core::context::Failed;
use apium::core::protocol::RawJson;
use apium::core::protocol::tagged::Bytes;
use apium::prelude::*;
use serde_json::{Number, Value};
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
    message: RawJson,
    #[default("redis-echo".to_owned())] redis_key: String,
) -> Result<(), TaskError> {
    redis.push(&redis_key, &message).await
}

#[task(name = "t.integration.tasks.redis_echo_group_id")]
async fn redis_echo_group_id(
    redis: State<Redis>,
    context: Context,
    _before: RawJson,
    #[default("redis-group-ids".to_owned())] redis_key: String,
) -> Result<(), TaskError> {
    redis.push(&redis_key, &RawJson::from(&context.group())?).await
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
    redis.push(&redis_key, &RawJson::string(context.task_id())).await?;
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
async fn errback_old_style_with_args(redis: State<Redis>, request_id: String, label: RawJson) -> Result<(), TaskError> {
    redis.push(&request_id, &label).await
}

#[task(name = "t.integration.tasks.errback_new_style_with_args", errback)]
async fn errback_new_style_with_args(redis: State<Redis>, failed: Failed, label: RawJson) -> Result<(), TaskError> {
    redis.push(&failed.request.id, &label).await
}

impl Redis {
    pub(crate) fn new(host: &str, port: &str) -> Self {
        Self { address: format!("{host}:{port}") }
    }

    /// Appends a text, bytes or a number to a list.
    pub(crate) async fn push(&self, key: &str, value: &RawJson) -> Result<(), TaskError> {
        let bytes = match (value.to::<Bytes>(), value.to::<Number>()) {
            (Ok(Bytes(bytes)), _) => bytes,
            (_, Ok(number)) => number.to_string().into_bytes(),
            _ => {
                let sentence =
                    format!("Invalid input: {}. Convert to a bytes, string, int or float first.", value.as_str());
                return Err(TaskError::exception("redis.exceptions", "DataError", sentence));
            }
        };
        self.command(&[b"RPUSH", key.as_bytes(), &bytes]).await
    }

    /// Adds one to a number.
    async fn count(&self, key: &str) -> Result<(), TaskError> {
        self.command(&[b"INCR", key.as_bytes()]).await
    }

    async fn command(&self, words: &[&[u8]]) -> Result<(), TaskError> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend(*word);
            request.extend(b"\r\n");
        }
        let mut stream = BufReader::new(TcpStream::connect(&self.address).await?);
        stream.write_all(&request).await?;
        let mut reply = String::new();
        stream.read_line(&mut reply).await?;
        match reply.strip_prefix(':') {
            Some(_) => Ok(()),
            None => Err(TaskError::exception("redis.exceptions", "ResponseError", reply.trim_end())),
        }
    }
}
