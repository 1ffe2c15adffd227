//! Tasks that only compute, or take their time.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use apium::core::Registry;
use apium::core::protocol::RawJson;
use apium::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::number::{plus, sum};

pub(crate) fn register(registry: &mut Registry) {
    registry.register(identity);
    registry.register(add);
    registry.register(mul);
    registry.register(write_to_file_and_return_int);
    registry.register(add_not_typed);
    registry.register(add_ignore_result);
    registry.register(add_with_result);
    registry.register(delayed_sum);
    registry.register(delayed_sum_with_soft_guard);
    registry.register(tsum);
    registry.register(xsum);
    registry.register(print_unicode);
    registry.register(return_exception);
    registry.register(sleeping);
    registry.register(replaced_with_me);
    registry.register(add_pydantic);
    registry.register(add_pydantic_string_annotations);
}

#[task(name = "t.integration.tasks.identity")]
pub(crate) async fn identity(x: RawJson) -> RawJson {
    x
}

#[task(name = "t.integration.tasks.add")]
pub(crate) async fn add(x: Value, y: Value, z: Option<Value>) -> Result<Value, TaskError> {
    let sum = plus(&x, &y)?;
    match z {
        Some(z) if z != 0 => plus(&sum, &z),
        _ => Ok(sum),
    }
}

#[task(name = "t.integration.tasks.mul")]
async fn mul(x: i64, y: i64) -> i64 {
    x * y
}

#[task(name = "t.integration.tasks.write_to_file_and_return_int")]
fn write_to_file_and_return_int(file_name: PathBuf, i: i64) -> Result<i64, TaskError> {
    let mut file = std::fs::File::options().append(true).create(true).open(file_name)?;
    writeln!(file, "{i}")?;
    Ok(i)
}

#[task(name = "t.integration.tasks.add_not_typed")]
async fn add_not_typed(x: Value, y: Value) -> Result<Value, TaskError> {
    plus(&x, &y)
}

#[task(name = "t.integration.tasks.add_ignore_result", ignore_result)]
async fn add_ignore_result(x: Value, y: Value) -> Result<Value, TaskError> {
    plus(&x, &y)
}

#[task(name = "t.integration.tasks.add_with_result", ignore_result = false)]
async fn add_with_result(x: Value, y: Value) -> Result<Value, TaskError> {
    plus(&x, &y)
}

#[task(name = "t.integration.tasks.delayed_sum")]
async fn delayed_sum(numbers: Vec<Value>, #[default(1.0)] pause_time: f64) -> Result<Value, TaskError> {
    tokio::time::sleep(Duration::from_secs_f64(pause_time)).await;
    sum(&numbers)
}

#[task(name = "t.integration.tasks.delayed_sum_with_soft_guard")]
async fn delayed_sum_with_soft_guard(
    context: Context,
    numbers: Vec<Value>,
    #[default(1.0)] pause_time: f64,
) -> Result<Value, TaskError> {
    tokio::select! {
        () = context.soft_time_limit() => Ok(Value::from(0)),
        () = tokio::time::sleep(Duration::from_secs_f64(pause_time)) => sum(&numbers),
    }
}

#[task(name = "t.integration.tasks.tsum")]
pub(crate) async fn tsum(nums: Vec<Value>) -> Result<Value, TaskError> {
    sum(&nums)
}

/// The sum of numbers and of lists of numbers.
#[task(name = "t.integration.tasks.xsum")]
async fn xsum(nums: Vec<Value>) -> Result<Value, TaskError> {
    nums.iter().try_fold(Value::from(0), |total, number| match number {
        Value::Array(numbers) => plus(&total, &sum(numbers)?),
        number => plus(&total, number),
    })
}

#[task(name = "t.integration.tasks.print_unicode")]
async fn print_unicode(
    #[default("håå®ƒ valmuefrø".to_owned())] log_message: String,
    #[default("hiöäüß".to_owned())] print_message: String,
) {
    tracing::warn!("{log_message}");
    tracing::info!("{print_message}");
}

#[task(name = "t.integration.tasks.return_exception")]
async fn return_exception(e: RawJson) -> (RawJson, bool) {
    (e, true)
}

/// Acknowledged early, as every task of a Python worker with Celery's own settings: the suite looks whether it is.
#[task(name = "t.integration.tasks.sleeping", acks_late = false)]
async fn sleeping(i: f64, #[kwargs] _others: HashMap<String, RawJson>) {
    tokio::time::sleep(Duration::from_secs_f64(i)).await;
}

#[task(name = "t.integration.tasks.replaced_with_me")]
pub(crate) async fn replaced_with_me() -> bool {
    true
}

#[derive(Deserialize, Serialize)]
struct AddParameterModel {
    x: i64,
    y: i64,
}

#[derive(Serialize)]
struct AddResultModel {
    result: i64,
}

#[task(name = "t.integration.tasks.add_pydantic")]
async fn add_pydantic(data: AddParameterModel) -> AddResultModel {
    AddResultModel { result: data.x + data.y }
}

#[task(name = "t.integration.tasks.add_pydantic_string_annotations")]
async fn add_pydantic_string_annotations(data: AddParameterModel) -> AddResultModel {
    AddResultModel { result: data.x + data.y }
}
