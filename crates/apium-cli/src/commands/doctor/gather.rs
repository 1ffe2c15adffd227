//! Gathers in one go what the checks look at: the store's own words, what workers answer, and their heartbeats.

use std::collections::BTreeMap;
use std::time::Duration;

use apium_core::Broker;
use apium_core::broadcast::{Broadcast, Topic};
use apium_core::inspection::{Facts, Inspection};
use apium_core::sharded::CROSSING;
use apium_protocol::RawJson;
use apium_protocol::control::Command;
use apium_protocol::event::EventMessage;
use serde_json::Value;
use tokio::time::Instant;

use super::seen::{Misplaced, Peer, Running, Seen};
use crate::arguments;
use crate::commands::Invocation;
use crate::commands::remote::{PATIENCE, Question, strict};
use crate::failure::Failure;

/// How long heartbeats are waited for; they come every two seconds.
const HEARTBEATS: Duration = Duration::from_secs(5);
/// The least time that is listened at a stretch.
const STRETCH: Duration = Duration::from_millis(50);
/// How a beat calls itself that answers to remote control.
pub(super) const BEAT: &str = "celerybeat@";

/// Answers by node.
type Answers = BTreeMap<String, Value>;

/// Looks at everything once.
pub(super) async fn gather(invocation: &Invocation) -> Result<Seen, Failure> {
    let patience = arguments::seconds(&invocation.matches, "timeout")?.unwrap_or(PATIENCE);
    let visibility_timeout = invocation.settings.backend()?.visibility_timeout.as_secs_f64();
    let backend = invocation.look().await?;
    let elsewhere = backend.results.home() != backend.broker.home();
    let results = if elsewhere { Some(examine(backend.results.inspection()).await?) } else { None };
    let broker = examine(backend.broker.inspection()).await?;
    let mut shards = Vec::new();
    for shard in backend.broker.shards() {
        shards.push((shard.name().to_owned(), examine(shard.broker().inspection()).await?));
    }
    let misplaced = misplaced(&*backend.broker, &shards);
    let examined = Instant::now();
    let broadcast = backend.broker.broadcast();
    let mut ear = broadcast.listen(&[Topic::Event("worker.*".to_owned())]).await?;
    let began = Instant::now();
    let mut asking = Box::pin(ask(broadcast, patience, &broker));
    let (mut answered, mut ahead) = (None, BTreeMap::<String, f64>::new());
    loop {
        tokio::select! {
            answers = &mut asking, if answered.is_none() => answered = Some(answers?),
            heard = ear.next(HEARTBEATS.saturating_sub(began.elapsed()).max(STRETCH)) => if let Some(heard) = heard? {
                let now = broker.now + examined.elapsed().as_secs_f64();
                for event in EventMessage::decode(&heard.bytes).map(|message| message.events).unwrap_or_default() {
                    // What is late looks old: the smallest delay tells the clock.
                    let by = event.timestamp - now;
                    ahead.entry(event.hostname).and_modify(|known| *known = known.max(by)).or_insert(by);
                }
            },
        }
        if let Some((peers, _)) = &answered {
            let all_heard = peers.iter().all(|peer: &Peer| ahead.contains_key(&peer.node));
            if all_heard || began.elapsed() >= HEARTBEATS {
                break;
            }
        }
    }
    drop(asking);
    let (mut peers, answers) = answered.unwrap_or_default();
    for peer in &mut peers {
        peer.ahead = ahead.get(&peer.node).copied();
    }
    Ok(Seen { broker, results, shards, misplaced, peers, answers, visibility_timeout })
}

/// What waits where nobody looks for it: its queue was given to another shard.
fn misplaced(broker: &dyn Broker, shards: &[(String, Facts)]) -> Vec<Misplaced> {
    let mut found = Vec::new();
    for (at, (shard, facts)) in shards.iter().enumerate() {
        for (queue, messages) in facts.queues.iter().filter(|(queue, ready)| *ready > 0 && !queue.starts_with(CROSSING))
        {
            let lives = broker.shard_of(queue);
            if lives != at {
                let lives = shards.get(lives).map(|(name, _)| name.clone()).unwrap_or_default();
                found.push(Misplaced { queue: queue.clone(), messages: *messages, shard: shard.clone(), lives });
            }
        }
    }
    found
}

async fn examine(inspection: Option<&dyn Inspection>) -> Result<Facts, Failure> {
    match inspection {
        Some(inspection) => Ok(inspection.examine().await?),
        None => Ok(Facts::default()),
    }
}

/// Asks who is there, and then each for what it is like.
async fn ask(
    broadcast: &dyn Broadcast,
    patience: Duration,
    facts: &Facts,
) -> Result<(Vec<Peer>, BTreeMap<String, usize>), Failure> {
    let mut counts = BTreeMap::<String, usize>::new();
    let everyone = Question::new(broadcast, patience);
    let counting = |node: &str, _: &RawJson| {
        *counts.entry(node.to_owned()).or_default() += 1;
        Ok::<_, Failure>(())
    };
    everyone.put(&Command::Ping, counting).await?;
    let nodes: Vec<String> = counts.keys().filter(|node| !node.starts_with(BEAT)).cloned().collect();
    if nodes.is_empty() {
        return Ok((Vec::new(), counts));
    }
    // Who is named is not waited for once it has answered.
    let each = Question::new(broadcast, patience.max(HEARTBEATS)).to(&nodes);
    let (conf, queues, active, reserved, report) = tokio::try_join!(
        answers(&each, Command::Conf { with_defaults: true }),
        answers(&each, Command::ActiveQueues),
        answers(&each, Command::Active { safe: true }),
        answers(&each, Command::Reserved),
        answers(&each, Command::Report),
    )?;
    let peer = |node: &String| {
        let of = |answers: &Answers| answers.get(node).cloned().unwrap_or_default();
        let report = of(&report).get("ok").and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = report.split("celery:").nth(1).and_then(|rest| rest.split_whitespace().next());
        Peer {
            node: node.clone(),
            ours: facts.workers.iter().any(|card| card.name == *node) || report.contains(" apium:"),
            conf: of(&conf),
            queues: items(&of(&queues)).iter().filter_map(queue).collect(),
            running: items(&of(&active)).iter().filter_map(|task| running(task, facts.now)).collect(),
            reserved: items(&of(&reserved)).len(),
            version: version.unwrap_or_default().to_owned(),
            ahead: None,
        }
    };
    Ok((nodes.iter().map(peer).collect(), counts))
}

async fn answers(question: &Question<'_>, command: Command) -> Result<Answers, Failure> {
    let answered = question.put(&command, |_, _| Ok::<_, Failure>(())).await?;
    Ok(answered.into_iter().map(|told| (told.node, strict(&told.value).to().unwrap_or_default())).collect())
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn queue(told: &Value) -> Option<(String, String)> {
    let exchange = told.pointer("/exchange/name").and_then(Value::as_str).unwrap_or_default();
    Some((exchange.to_owned(), told.get("name")?.as_str()?.to_owned()))
}

fn running(told: &Value, now: f64) -> Option<Running> {
    Some(Running {
        name: told.get("name")?.as_str()?.to_owned(),
        seconds: now - told.get("time_start")?.as_f64()?,
        acknowledged: told.get("acknowledged").and_then(Value::as_bool).unwrap_or(true),
    })
}
