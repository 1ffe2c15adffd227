//! What a broker promises of what everyone may hear: all who listen hear it, in order, and silence is never a loss.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::{Duration, Instant};

use apium_protocol::control::{ControlNames, ReplyTo};
use futures_util::future::join_all;

use super::Subject;
use crate::broadcast::{Ear, Heard, Topic};

const SOON: Duration = Duration::from_secs(20);
/// Longer than anything takes that was said already; what is not heard by then is not heard.
const WHILE: Duration = Duration::from_millis(300);

fn event(key: &str) -> Topic {
    Topic::Event(key.to_owned())
}

async fn listen(subject: &Subject, topics: &[Topic]) -> Box<dyn Ear> {
    subject.broker.broadcast().listen(topics).await.unwrap()
}

async fn listen_elsewhere(subject: &Subject, topics: &[Topic]) -> Box<dyn Ear> {
    subject.other.broadcast().listen(topics).await.unwrap()
}

async fn say(subject: &Subject, topic: &Topic, bytes: &str) {
    subject.broker.broadcast().say(topic, bytes.as_bytes()).await.unwrap();
}

/// Whose answers go to the inbox of this id.
fn asker(id: &str) -> ReplyTo {
    ReplyTo { exchange: ControlNames::default().reply_exchange(), routing_key: id.to_owned() }
}

async fn answer(subject: &Subject, id: &str, bytes: &str) {
    subject.other.broadcast().answer(&asker(id), bytes.as_bytes()).await.unwrap();
}

async fn hear(ear: &mut Box<dyn Ear>) -> Heard {
    ear.next(SOON).await.unwrap().expect("something was said")
}

async fn text(ear: &mut Box<dyn Ear>) -> String {
    String::from_utf8(hear(ear).await.bytes).unwrap()
}

async fn silent(ear: &mut Box<dyn Ear>) {
    assert_eq!(ear.next(WHILE).await.unwrap(), None);
}

pub async fn all_who_listen_hear_it(subject: &Subject) {
    let mut ears = vec![
        listen(subject, &[Topic::Control]).await,
        listen(subject, &[Topic::Control]).await,
        listen_elsewhere(subject, &[Topic::Control]).await,
    ];
    say(subject, &Topic::Control, "one").await;
    subject.other.broadcast().say(&Topic::Control, b"two").await.unwrap();
    for ear in &mut ears {
        assert_eq!(hear(ear).await, Heard { topic: Topic::Control, bytes: b"one".to_vec() });
        assert_eq!(text(ear).await, "two");
    }
}

pub async fn only_the_topics_asked_for_are_heard(subject: &Subject) {
    let mut control = listen_elsewhere(subject, &[Topic::Control]).await;
    let mut one = listen_elsewhere(subject, &[event("worker.online"), event("task.sent")]).await;
    let mut odd = listen_elsewhere(subject, &[event("wor[k]er.?nline")]).await;
    for key in ["worker.online", "worker.online.too", "worker.offline", "task.sent"] {
        say(subject, &event(key), key).await;
    }
    say(subject, &Topic::Control, "control").await;
    assert_eq!(hear(&mut one).await, Heard { topic: event("worker.online"), bytes: b"worker.online".to_vec() });
    assert_eq!(hear(&mut one).await.topic, event("task.sent"));
    assert_eq!(text(&mut control).await, "control");
    for ear in [&mut control, &mut one, &mut odd] {
        silent(ear).await;
    }
}

pub async fn a_star_covers_what_begins_so(subject: &Subject) {
    let mut workers = listen_elsewhere(subject, &[event("worker.*")]).await;
    let mut all = listen_elsewhere(subject, &[event("*")]).await;
    let mut both = listen_elsewhere(subject, &[event("worker.heartbeat"), event("worker.*"), event("*")]).await;
    let keys = ["task.multi", "worker.heartbeat", "worker", "workers.x", "worker.online"];
    for key in keys {
        say(subject, &event(key), key).await;
    }
    say(subject, &Topic::Control, "control").await;
    for key in ["worker.heartbeat", "worker.online"] {
        assert_eq!(hear(&mut workers).await, Heard { topic: event(key), bytes: key.into() });
    }
    for key in keys {
        assert_eq!(hear(&mut all).await.topic, event(key));
        assert_eq!(hear(&mut both).await.topic, event(key), "each once");
    }
    for ear in [&mut workers, &mut all, &mut both] {
        silent(ear).await;
    }
}

pub async fn nothing_is_heard_from_before(subject: &Subject) {
    say(subject, &Topic::Control, "before").await;
    let mut ear = listen_elsewhere(subject, &[Topic::Control]).await;
    silent(&mut ear).await;
    say(subject, &Topic::Control, "after").await;
    assert_eq!(text(&mut ear).await, "after");
    // Also beside others who are just hearing it, which takes a while.
    let before = "before".repeat(50_000);
    for number in 0..20 {
        say(subject, &Topic::Control, &before).await;
        let mut later = listen_elsewhere(subject, &[Topic::Control]).await;
        let after = number.to_string();
        say(subject, &Topic::Control, &after).await;
        assert_eq!(text(&mut later).await, after);
    }
}

pub async fn a_wait_ends_in_time(subject: &Subject) {
    let mut ears =
        [listen(subject, &[Topic::Control]).await, subject.broker.broadcast().open_inbox("mine").await.unwrap()];
    for ear in &mut ears {
        for at_most in [Duration::ZERO, Duration::from_millis(250)] {
            let began = Instant::now();
            assert_eq!(ear.next(at_most).await.unwrap(), None);
            let waited = began.elapsed();
            assert!(waited >= at_most && waited < at_most + Duration::from_millis(500), "{at_most:?}: {waited:?}");
        }
    }
}

pub async fn a_wait_is_ended_by_what_is_said(subject: &Subject) {
    let mut ear = listen_elsewhere(subject, &[Topic::Control]).await;
    let mut inbox = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        let (heard, answered, ()) = tokio::join!(text(&mut ear), text(&mut inbox), async {
            silent(&mut listen(subject, &[Topic::Control]).await).await;
            say(subject, &Topic::Control, "said").await;
            answer(subject, "mine", "answered").await;
        });
        assert_eq!((heard.as_str(), answered.as_str()), ("said", "answered"));
        assert!(began.elapsed() < WHILE + Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

pub async fn a_wait_that_is_given_up_takes_nothing(subject: &Subject) {
    let mut ear = listen_elsewhere(subject, &[Topic::Control]).await;
    let mut inbox = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    let mut heard = [Vec::new(), Vec::new()];
    for number in 0..40_u64 {
        say(subject, &Topic::Control, &number.to_string()).await;
        answer(subject, "mine", &number.to_string()).await;
        for (ear, heard) in [&mut ear, &mut inbox].into_iter().zip(&mut heard) {
            let given_up = Duration::from_micros(number * 50);
            if let Ok(found) = tokio::time::timeout(given_up, ear.next(SOON)).await {
                heard.extend(found.unwrap());
            }
        }
    }
    for (ear, mut heard) in [&mut ear, &mut inbox].into_iter().zip(heard) {
        while heard.len() < 40 {
            heard.push(hear(ear).await);
        }
        let told: Vec<String> = heard.into_iter().map(|heard| String::from_utf8(heard.bytes).unwrap()).collect();
        assert_eq!(told, (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

pub async fn an_answer_reaches_the_inbox_it_names(subject: &Subject) {
    let mut mine = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    let mut other = subject.broker.broadcast().open_inbox("other").await.unwrap();
    let mut ear = listen(subject, &[Topic::Control, event("*")]).await;
    for number in 0..5 {
        answer(subject, "mine", &number.to_string()).await;
    }
    for number in 0..5 {
        assert_eq!(hear(&mut mine).await, Heard { topic: Topic::Control, bytes: number.to_string().into() });
    }
    for ear in [&mut mine, &mut other, &mut ear] {
        silent(ear).await;
    }
}

pub async fn a_closed_inbox_swallows(subject: &Subject) {
    answer(subject, "mine", "nobody asked").await;
    let mut inbox = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    silent(&mut inbox).await;
    answer(subject, "mine", "asked").await;
    assert_eq!(text(&mut inbox).await, "asked");
    drop(inbox);
    // Whatever taking it away needs, it is done when others have heard in vain for a while.
    silent(&mut listen(subject, &[Topic::Control]).await).await;
    answer(subject, "mine", "too late").await;
    let mut again = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    silent(&mut again).await;
}

pub async fn who_leaves_takes_nothing_from_others(subject: &Subject) {
    let leaver = listen(subject, &[event("a"), event("b.*")]).await;
    let mut stays = listen(subject, &[event("b.*")]).await;
    drop(leaver);
    for number in 0..20 {
        drop(listen(subject, &[event("a"), event("b.*")]).await);
        let key = event(&format!("b.{number}"));
        say(subject, &key, "said").await;
        assert_eq!(hear(&mut stays).await.topic, key);
    }
    drop(stays);
    let mut again = listen(subject, &[event("b.*")]).await;
    say(subject, &event("b.again"), "said").await;
    assert_eq!(text(&mut again).await, "said");
}

pub async fn many_are_heard_in_each_speakers_order(subject: &Subject) {
    const EACH: usize = 500;
    let mut ears = [listen(subject, &[event("*")]).await, listen_elsewhere(subject, &[event("*")]).await];
    let mut inbox = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    let speak = async |broker: &dyn crate::Broker, name: &str| {
        for number in 0..EACH {
            broker.broadcast().say(&event(name), number.to_string().as_bytes()).await.unwrap();
        }
    };
    let answers = async || {
        for number in 0..EACH {
            answer(subject, "mine", &number.to_string()).await;
        }
    };
    tokio::join!(speak(&*subject.broker, "one"), speak(&*subject.other, "two"), answers());
    let in_order: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
    for ear in &mut ears {
        let mut told = [Vec::new(), Vec::new()];
        for _ in 0..2 * EACH {
            let heard = hear(ear).await;
            told[usize::from(heard.topic == event("two"))].push(String::from_utf8(heard.bytes).unwrap());
        }
        assert_eq!(told, [in_order.clone(), in_order.clone()]);
    }
    for number in in_order {
        assert_eq!(text(&mut inbox).await, number);
    }
}

pub async fn what_is_not_kept_is_told_as_an_error(subject: &Subject) {
    const SAID: usize = 12_000;
    let mut ear = listen_elsewhere(subject, &[event("*")]).await;
    for _ in 0..SAID / 500 {
        let key = event("a");
        let said = (0..500).map(|_| subject.broker.broadcast().say(&key, b"x"));
        join_all(said).await.into_iter().for_each(|said| said.unwrap());
    }
    let mut heard = 0;
    let told = loop {
        match ear.next(Duration::from_secs(2)).await {
            Ok(Some(_)) => heard += 1,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    match told {
        None => assert_eq!(heard, SAID),
        Some(error) => assert!(error.is_transient() && error.to_string().contains("missed"), "{error}"),
    }
    let mut anew = listen_elsewhere(subject, &[event("*")]).await;
    say(subject, &event("a"), "anew").await;
    assert_eq!(text(&mut anew).await, "anew");
}

pub async fn large_ones_are_carried(subject: &Subject) {
    let large = "x".repeat(1 << 20);
    let mut ear = listen_elsewhere(subject, &[Topic::Control]).await;
    let mut inbox = subject.broker.broadcast().open_inbox("mine").await.unwrap();
    for _ in 0..3 {
        say(subject, &Topic::Control, &large).await;
        answer(subject, "mine", &large).await;
    }
    for _ in 0..3 {
        assert_eq!(hear(&mut ear).await.bytes.len(), large.len());
        assert_eq!(text(&mut inbox).await, large);
    }
    say(subject, &Topic::Control, "").await;
    assert_eq!(text(&mut ear).await, "");
}
