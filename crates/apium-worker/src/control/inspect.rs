//! The commands that only ask: what runs, what waits, what is known, how it is set.

use apium_core::client::iso;
use apium_core::protocol::control::{
    Answer, Command, DeliveryShown, HelloReply, Rate, RegisteredTask, RequestInfo, ScheduledTask, TaskPlace, query_task,
};
use apium_core::protocol::{Message, RawJson};
use serde_json::json;

use crate::control::{settings, stats};
use crate::events::seconds;
use crate::put_off::Why;
use crate::station::Station;

/// The reply.
pub(super) fn inspect(station: &Station, command: Command) -> RawJson {
    match command {
        Command::Clock => written(&json!({"clock": station.events.clock()})),
        Command::Active { safe } => {
            let shown = active(station);
            let shown: Vec<_> = shown.into_iter().map(|info| if safe { info.safe() } else { info }).collect();
            written(&shown)
        }
        Command::Reserved => {
            written(&put_off(station, Why::OverRate).into_iter().map(|(_, info)| info).collect::<Vec<_>>())
        }
        Command::Scheduled => {
            let waiting = put_off(station, Why::NotDue).into_iter();
            written(&waiting.map(|(until, info)| ScheduledTask::new(until, info)).collect::<Vec<_>>())
        }
        Command::Revoked => written(&station.revoked.ids()),
        Command::Registered { items, builtins } => written(&RegisteredTask::list(&tasks(station), &items, builtins)),
        Command::ActiveQueues => written(&station.queues.shown()),
        Command::QueryTask { ids } => query(station, &ids),
        Command::Stats => written(&stats::stats(station)),
        Command::Conf { .. } => settings::shown(station),
        Command::Report => Answer::Report(settings::report(station)).to_json(),
        Command::Objgraph { .. } => Answer::NoObjgraph.to_json(),
        Command::Hello { from_node, revoked } => hello(station, &from_node, revoked),
        _ => Answer::Pong.to_json(),
    }
}

/// A worker starts: both know afterwards what one of them knew to be called off.
fn hello(station: &Station, from_node: &str, revoked: Vec<String>) -> RawJson {
    if from_node == station.options.name {
        return RawJson::null();
    }
    tracing::debug!(from_node, "another worker starts");
    let known = station.revoked.ids();
    for id in revoked {
        station.revoked.insert(id);
    }
    HelloReply { revoked: known, clock: station.events.forward() }.to_json()
}

fn active(station: &Station) -> Vec<RequestInfo> {
    let shown = station.leases.in_hand().into_iter().filter_map(|held| {
        let info = info(station, &held.delivery.bytes, held.delivery.redelivered)?;
        let (time_start, worker_pid) = (Some(seconds(held.since)), Some(std::process::id().into()));
        Some(RequestInfo { time_start, worker_pid, acknowledged: held.acknowledged, ..info })
    });
    shown.collect()
}

/// What waits, with its time.
fn put_off(station: &Station, why: Why) -> Vec<(String, RequestInfo)> {
    let waiting = station.put_off.list(station.now()).into_iter().filter(|waiting| waiting.why == why);
    waiting
        .filter_map(|waiting| Some((iso(waiting.until), info(station, &waiting.bytes, waiting.redelivered)?)))
        .collect()
}

fn query(station: &Station, ids: &[String]) -> RawJson {
    let running = active(station).into_iter().map(|info| (TaskPlace::Active, info));
    let reserved = put_off(station, Why::OverRate).into_iter().map(|(_, info)| (TaskPlace::Reserved, info));
    let scheduled = put_off(station, Why::NotDue).into_iter().map(|(_, info)| (TaskPlace::Scheduled, info));
    let found = running.chain(reserved).chain(scheduled).filter(|(_, info)| ids.contains(&info.id));
    query_task(&found.collect::<Vec<_>>())
}

fn info(station: &Station, bytes: &[u8], redelivered: bool) -> Option<RequestInfo> {
    let message = Message::decode(bytes).ok()?;
    let payload = station.client.bodies().open(&message).ok()?;
    let (headers, properties) = (message.headers, message.properties);
    Some(RequestInfo {
        name: headers.shadow.unwrap_or_else(|| headers.task.clone()),
        id: headers.id,
        args: payload.args,
        kwargs: payload.kwargs,
        task: headers.task,
        hostname: station.options.name.clone(),
        time_start: None,
        acknowledged: false,
        delivery_info: DeliveryShown {
            exchange: properties.delivery_info.exchange,
            routing_key: properties.delivery_info.routing_key,
            priority: Some(properties.priority.unwrap_or_default()),
            redelivered: Some(redelivered),
        },
        worker_pid: None,
    })
}

fn tasks(station: &Station) -> Vec<RegisteredTask> {
    let named = |name: String| {
        let limit = station.rates.of(&name).map(|rate| limit_text(&rate));
        let task = RegisteredTask::new(name);
        if let Some(limit) = limit { task.with("rate_limit", limit) } else { task }
    };
    station.registry.names().into_iter().map(named).collect()
}

/// `10/m` without the quotes it has as JSON.
fn limit_text(rate: &Rate) -> String {
    rate.as_given().to().unwrap_or_else(|_| rate.as_given().to_string())
}

fn written<T: serde::Serialize + ?Sized>(value: &T) -> RawJson {
    RawJson::from(value).unwrap_or_default()
}
