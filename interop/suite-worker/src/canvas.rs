//! Tasks that send others, or let others take their place.

use apium::core::protocol::RawJson;
use apium::core::signature::{chain, chord, group};
use apium::core::{Pending, Registry, SendError};
use apium::prelude::*;
use serde_json::Value;

use crate::arithmetic::{add, identity, replaced_with_me, tsum};
use crate::echo::{Redis, redis_echo};
use crate::failing::raise_error;

pub(crate) fn register(registry: &mut Registry) {
    registry.register(chain_add);
    registry.register(chord_add);
    registry.register(add_replaced);
    registry.register(record_replaced_task_nesting);
    registry.register(add_replaced_with_chain);
    registry.register(replace_with_chain);
    registry.register(replace_with_chain_which_raises);
    registry.register(replace_with_empty_chain);
    registry.register(replace_with_chain_which_contains_a_group);
    registry.register(add_to_all);
    registry.register(add_to_all_to_chord);
    registry.register(add_chord_to_chord);
    registry.register(second_order_replace1);
    registry.register(second_order_replace2);
    registry.register(build_chain_inside_task);
    registry.register(replace_with_stamped_task);
}

#[task(name = "t.integration.tasks.chain_add")]
async fn chain_add(context: Context, x: Value, y: Value) -> Result<(), SendError> {
    context.send(sum(&x, &x).then(plus(&y))).await.map(drop)
}

#[task(name = "t.integration.tasks.chord_add")]
async fn chord_add(context: Context, x: Value, y: Value) -> Result<(), SendError> {
    context.send(chord([sum(&x, &x)], plus(&y))).await.map(drop)
}

#[task(name = "t.integration.tasks.add_replaced")]
async fn add_replaced(x: Value, y: Value) -> Result<(), TaskError> {
    Err(TaskError::replace(sum(&x, &y)))
}

#[task(name = "t.integration.tasks.record_replaced_task_nesting")]
async fn record_replaced_task_nesting(
    context: Context,
    replacements: u32,
    nesting: Option<Vec<u32>>,
) -> Result<Vec<u32>, TaskError> {
    let mut nesting = nesting.unwrap_or_default();
    nesting.push(context.headers().replaced_task_nesting);
    match replacements.checked_sub(1) {
        Some(left) => Err(TaskError::replace(record_replaced_task_nesting::s(left, Some(nesting)))),
        None => Ok(nesting),
    }
}

#[task(name = "t.integration.tasks.add_replaced_with_chain")]
async fn add_replaced_with_chain(x: Value, y: Value) -> Result<(), TaskError> {
    Err(TaskError::replace(chain([sum(&x, &y), same([])])))
}

#[task(name = "t.integration.tasks.replace_with_chain")]
async fn replace_with_chain(#[args] args: Vec<RawJson>, link_msg: Option<RawJson>) -> Result<(), TaskError> {
    Err(TaskError::replace(chain([same(args), same([])]).link(&echoing(link_msg))))
}

#[task(name = "t.integration.tasks.replace_with_chain_which_raises")]
async fn replace_with_chain_which_raises(
    #[args] args: Vec<RawJson>,
    link_msg: Option<RawJson>,
) -> Result<(), TaskError> {
    let raising = Signature::new(raise_error::task_name());
    Err(TaskError::replace(chain([same(args), raising]).link_error(&echoing(link_msg))))
}

#[task(name = "t.integration.tasks.replace_with_empty_chain")]
async fn replace_with_empty_chain(#[args] _args: Vec<RawJson>) -> Result<(), TaskError> {
    Err(TaskError::replace(chain([])))
}

#[task(name = "t.integration.tasks.replace_with_chain_which_contains_a_group")]
async fn replace_with_chain_which_contains_a_group() -> Result<(), TaskError> {
    Err(TaskError::replace(chain([sum(&1.into(), &2.into()), group([plus(&1.into()), plus(&1.into())])])))
}

#[task(name = "t.integration.tasks.add_to_all")]
async fn add_to_all(nums: Vec<Value>, val: Value) -> Result<(), TaskError> {
    Err(TaskError::replace(group(nums.iter().map(|number| sum(number, &val)))))
}

#[task(name = "t.integration.tasks.add_to_all_to_chord")]
async fn add_to_all_to_chord(context: Context, nums: Vec<Value>, val: Value) -> Result<u8, SendError> {
    for number in &nums {
        context.add_to_chord(sum(number, &val)).await?;
    }
    Ok(0)
}

#[task(name = "t.integration.tasks.add_chord_to_chord")]
async fn add_chord_to_chord(context: Context, nums: Vec<Value>, val: Value) -> Result<u8, SendError> {
    let sums = group(nums.iter().map(|number| sum(number, &val)));
    context.add_to_chord(sums.then(Signature::new(tsum::task_name()))).await?;
    Ok(0)
}

#[task(name = "t.integration.tasks.second_order_replace1")]
async fn second_order_replace1(redis: State<Redis>, #[default] state: bool) -> Result<(), TaskError> {
    if state {
        return redis.push("redis-echo", &RawJson::string("Out A")).await;
    }
    redis.push("redis-echo", &RawJson::string("In A")).await?;
    let inner = Signature::new(second_order_replace2::task_name());
    let after = Signature::new(second_order_replace1::task_name()).kwarg("state", true).immutable();
    Err(TaskError::replace(chain([inner, after])))
}

#[task(name = "t.integration.tasks.second_order_replace2")]
async fn second_order_replace2(redis: State<Redis>, #[default] state: bool) -> Result<(), TaskError> {
    if state {
        return redis.push("redis-echo", &RawJson::string("Out B")).await;
    }
    redis.push("redis-echo", &RawJson::string("In B")).await?;
    let inner = Signature::new(redis_echo::task_name()).arg("In/Out C");
    let after = Signature::new(second_order_replace2::task_name()).kwarg("state", true).immutable();
    Err(TaskError::replace(chain([inner, after])))
}

/// Gives back the way to the result of what it has sent.
#[task(name = "t.integration.tasks.build_chain_inside_task")]
async fn build_chain_inside_task(context: Context) -> Result<Pending, SendError> {
    let steps = sum(&1.into(), &1.into()).then(plus(&2.into()));
    context.send(steps.then(group([plus(&3.into()), plus(&4.into())])).then(plus(&5.into()))).await
}

#[task(name = "t.integration.tasks.replace_with_stamped_task")]
async fn replace_with_stamped_task(replace_with: Option<Signature>) -> Result<(), TaskError> {
    let replacement = replace_with.unwrap_or_else(replaced_with_me::s);
    Err(TaskError::replace(replacement.stamp("StampOnReplace", "This is the replaced task")))
}

/// `add(x, y)`.
fn sum(x: &Value, y: &Value) -> Signature {
    Signature::new(add::task_name()).arg(x).arg(y)
}

/// Adds to what comes before.
fn plus(y: &Value) -> Signature {
    Signature::new(add::task_name()).arg(y)
}

/// `identity`, of these or of what comes before.
fn same(args: impl IntoIterator<Item = RawJson>) -> Signature {
    Signature::new(identity::task_name()).args(args)
}

/// Echoes this, or what comes before.
fn echoing(message: Option<RawJson>) -> Signature {
    let echo = Signature::new(redis_echo::task_name());
    match message {
        Some(message) => echo.arg(message).immutable(),
        None => echo,
    }
}
