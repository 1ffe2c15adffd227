//! Puts envelopes as long as Apium's into the list that kombu would, one a round trip or a hundred, and reads results.

use std::io::stdin;
use std::thread::sleep;
use std::time::Duration;

use crate::resp::{Link, Outcome, Reply};

/// The length of an envelope: what Apium sends for a task with one argument (Celery's own are some 50 bytes longer).
const ENVELOPE: usize = 876;
/// Envelopes, or results, to a round trip.
const AT_ONCE: u64 = 100;

/// Before results that were not there are asked for again.
const AGAIN: Duration = Duration::from_millis(1);
/// The length of an id, that of a UUID.
pub(crate) const ID: usize = 36;
/// The list.
pub(crate) const QUEUE: &[u8] = b"celery";

/// Reads an order a line, and answers each with `done` and a count, until there are no more.
pub(crate) fn obey() -> Outcome<()> {
    let mut link = Link::open()?;
    let (mut next, mut kept) = (0, 0);
    println!("ready");
    for order in stdin().lines() {
        let order = order?;
        let mut words = order.split_whitespace();
        let (verb, count) = (words.next().unwrap_or_default(), words.next().map_or(Ok(0), str::parse::<u64>)?);
        let done = match verb {
            "single" => push(&mut link, &mut next, count, 1)?,
            "send" | "stored" => push(&mut link, &mut next, count, AT_ONCE)?,
            "results" => {
                kept = count;
                push(&mut link, &mut next, count, AT_ONCE)?
            }
            "fetch" => fetch(&mut link, kept)?,
            _ => return Err(format!("the order `{order}` is not known").into()),
        };
        println!("done {done}");
    }
    Ok(())
}

/// The id that stands at the start of an envelope: the task's number.
fn id(index: u64) -> String {
    format!("{index:0ID$}")
}

fn push(link: &mut Link, next: &mut u64, count: u64, at_once: u64) -> Outcome<u64> {
    let mut left = count;
    while left > 0 {
        let part = left.min(at_once);
        link.command(usize::try_from(part)? + 2).word("LPUSH").word(QUEUE);
        for _ in 0..part {
            let mut envelope = id(*next).into_bytes();
            envelope.resize(ENVELOPE, b'x');
            *next += 1;
            link.word(&envelope);
        }
        link.flush()?;
        left -= part;
    }
    Ok(count)
}

/// Reads every result, in their order, as soon as it is there.
fn fetch(link: &mut Link, count: u64) -> Outcome<u64> {
    let mut waiting: Vec<u64> = (0..count).rev().collect();
    while !waiting.is_empty() {
        let from = waiting.len().saturating_sub(usize::try_from(AT_ONCE)?);
        let asked = waiting.split_off(from);
        link.command(asked.len() + 1).word("MGET");
        for index in &asked {
            link.word(format!("celery-task-meta-{}", id(*index)));
        }
        let Some(Reply::List(found)) = link.flush()?.pop() else { return Err("MGET gave no list".into()) };
        let missing = asked.iter().zip(found).filter(|(_, reply)| matches!(reply, Reply::Nothing));
        waiting.extend(missing.map(|(index, _)| *index));
        if waiting.len() > from {
            // Not all of them are there: who asks at once again only keeps Redis from its work.
            sleep(AGAIN);
        }
    }
    Ok(count)
}
