//! Takes everything out of the list the way `BENCH_VARIANT` says: pop, register in `unacked` and `unacked_index`, append
//! the line that a task would, store and tell the result where there is one, strike from both.

use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ledger::Ledger;
use crate::producer::{ID, QUEUE};
use crate::resp::{Link, Outcome, Reply};

const UNACKED: &[u8] = b"unacked";
const INDEX: &[u8] = b"unacked_index";
/// How long a result is kept, as by default in Celery.
const DAY: &[u8] = b"86400";

/// Pop and register, in one step: a worker that dies in between loses nothing. The tags come from outside.
const POP: &[u8] = b"local got = redis.call('RPOP', KEYS[1], #ARGV - 1) \
    if not got then return {} end \
    local rows, scores = {}, {} \
    for i, message in ipairs(got) do \
      rows[i * 2 - 1], rows[i * 2] = ARGV[i + 1], message \
      scores[i * 2 - 1], scores[i * 2] = ARGV[1], ARGV[i + 1] \
    end \
    redis.call('HSET', KEYS[2], unpack(rows)) \
    redis.call('ZADD', KEYS[3], unpack(scores)) \
    return got";

/// Results, and both strikes, in one step.
const SETTLE: &[u8] = b"local n = #ARGV \
    if KEYS[3] then \
      n = n / 3 \
      for i = 1, n do \
        redis.call('SETEX', ARGV[n + i], 86400, ARGV[n * 2 + i]) \
        redis.call('PUBLISH', ARGV[n + i], ARGV[n * 2 + i]) \
      end \
    end \
    local tags = {} \
    for i = 1, n do tags[i] = ARGV[i] end \
    redis.call('ZREM', KEYS[2], unpack(tags)) \
    redis.call('HDEL', KEYS[1], unpack(tags)) \
    return n";

/// How the commands are grouped.
#[derive(Clone, Copy)]
enum Variant {
    /// Each command a round trip.
    Unbatched,
    /// As kombu and Celery send them.
    Kombu,
    /// Single commands, many to a round trip.
    Pipelined,
    /// Commands of many values, many to a round trip.
    Variadic,
    /// Two scripts.
    Script,
}

/// One connection's part of the work.
struct Drainer {
    link: Link,
    ledger: Arc<Ledger>,
    number: usize,
    batch: usize,
    results: bool,
    tags: u64,
}

/// What was popped: its tag, its result's key, and itself.
struct Claimed {
    tag: String,
    key: String,
    envelope: Vec<u8>,
}

/// Drains with as many connections as `BENCH_CONNECTIONS` says, until the list is empty; then stays until it is killed.
pub(crate) fn drain() -> Outcome<()> {
    let number = |name: &str, default: usize| std::env::var(name).map_or(Ok(default), |value| value.parse());
    let (connections, batch) = (number("BENCH_CONNECTIONS", 1)?, number("BENCH_BATCH", 1)?);
    let variant = match std::env::var("BENCH_VARIANT").as_deref() {
        Ok("unbatched") => Variant::Unbatched,
        Ok("kombu") => Variant::Kombu,
        Ok("pipelined") => Variant::Pipelined,
        Ok("variadic") => Variant::Variadic,
        Ok("script") => Variant::Script,
        _ => return Err("BENCH_VARIANT is unbatched, kombu, pipelined, variadic or script".into()),
    };
    let results = std::env::var("BENCH_WORKLOAD").is_ok_and(|workload| workload != "noop");
    let ledger = Arc::new(Ledger::open("BENCH_LEDGER")?);
    let drainers = (0..connections).map(|number| {
        let ledger = ledger.clone();
        thread::spawn(move || Drainer { link: Link::open()?, ledger, number, batch, results, tags: 0 }.drain(variant))
    });
    for drainer in drainers.collect::<Vec<_>>() {
        drainer.join().map_err(|_| "a connection's thread has panicked")??;
    }
    // Whoever measures wants to know what this process took.
    loop {
        thread::park();
    }
}

impl Drainer {
    fn drain(mut self, variant: Variant) -> Outcome<()> {
        loop {
            let worked = match variant {
                Variant::Unbatched => self.unbatched()?,
                Variant::Kombu => self.kombu()?,
                Variant::Pipelined => self.pipelined()?,
                Variant::Variadic => self.variadic()?,
                Variant::Script => self.script()?,
            };
            if !worked {
                return Ok(());
            }
        }
    }

    /// The score of what is popped now: when its visibility begins, as kombu writes it.
    fn score() -> Outcome<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(format!("{}.{:06}", now.as_secs(), now.subsec_micros()))
    }

    /// A fresh tag, as long as a UUID.
    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("{:04}-{:031}", self.number, self.tags)
    }

    fn claimed(&mut self, envelope: Vec<u8>) -> Outcome<Claimed> {
        let id = String::from_utf8(envelope.get(..ID).unwrap_or_default().to_vec())?;
        Ok(Claimed { tag: self.tag(), key: format!("celery-task-meta-{id}"), envelope })
    }

    /// Envelopes popped at once, without being registered.
    fn popped(&mut self, reply: Reply) -> Outcome<Vec<Claimed>> {
        let Reply::List(envelopes) = reply else { return Ok(Vec::new()) };
        let bytes =
            envelopes.into_iter().filter_map(|one| if let Reply::Bytes(bytes) = one { Some(bytes) } else { None });
        bytes.map(|envelope| self.claimed(envelope)).collect()
    }

    /// What a task would do first, for each of these.
    fn note(&self, claimed: &[Claimed]) -> Outcome<()> {
        for one in claimed {
            self.ledger.note(index(&one.envelope)?)?;
        }
        Ok(())
    }

    fn one(&mut self) -> Outcome<Option<Claimed>> {
        match self.link.ask(&[b"RPOP", QUEUE])? {
            Reply::Bytes(envelope) => self.claimed(envelope).map(Some),
            _ => Ok(None),
        }
    }

    fn unbatched(&mut self) -> Outcome<bool> {
        let Some(one) = self.one()? else { return Ok(false) };
        let (tag, score) = (one.tag.as_bytes(), Self::score()?);
        self.link.ask(&[b"HSET", UNACKED, tag, &one.envelope])?;
        self.link.ask(&[b"ZADD", INDEX, score.as_bytes(), tag])?;
        self.note(std::slice::from_ref(&one))?;
        if self.results {
            let record = record(&one);
            self.link.ask(&[b"SETEX", one.key.as_bytes(), DAY, record.as_bytes()])?;
            self.link.ask(&[b"PUBLISH", one.key.as_bytes(), record.as_bytes()])?;
        }
        self.link.ask(&[b"ZREM", INDEX, tag])?;
        self.link.ask(&[b"HDEL", UNACKED, tag])?;
        Ok(true)
    }

    fn kombu(&mut self) -> Outcome<bool> {
        // A second connection must not wait for ever where nothing comes any more.
        let Reply::List(reply) = self.link.ask(&[b"BRPOP", QUEUE, b"0.05"])? else { return Ok(false) };
        let Some(Reply::Bytes(envelope)) = reply.into_iter().nth(1) else { return Ok(false) };
        let one = self.claimed(envelope)?;
        let (tag, score) = (one.tag.as_bytes(), Self::score()?);
        self.link.say(&[b"MULTI"]).say(&[b"ZADD", INDEX, score.as_bytes(), tag]);
        self.link.say(&[b"HSET", UNACKED, tag, &one.envelope]).say(&[b"EXEC"]).flush()?;
        self.note(std::slice::from_ref(&one))?;
        if self.results {
            let record = record(&one);
            self.link.say(&[b"MULTI"]).say(&[b"SETEX", one.key.as_bytes(), DAY, record.as_bytes()]);
            self.link.say(&[b"PUBLISH", one.key.as_bytes(), record.as_bytes()]).say(&[b"EXEC"]).flush()?;
        }
        self.link.say(&[b"MULTI"]).say(&[b"ZREM", INDEX, tag]).say(&[b"HDEL", UNACKED, tag]).say(&[b"EXEC"]).flush()?;
        Ok(true)
    }

    fn pipelined(&mut self) -> Outcome<bool> {
        for _ in 0..self.batch {
            self.link.say(&[b"RPOP", QUEUE]);
        }
        let replies = self.link.flush()?;
        let claimed = self.popped(Reply::List(replies))?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let score = Self::score()?;
        for one in &claimed {
            let tag = one.tag.as_bytes();
            self.link.say(&[b"HSET", UNACKED, tag, &one.envelope]).say(&[b"ZADD", INDEX, score.as_bytes(), tag]);
        }
        self.link.flush()?;
        self.note(&claimed)?;
        self.say_results(&claimed);
        for one in &claimed {
            let tag = one.tag.as_bytes();
            self.link.say(&[b"ZREM", INDEX, tag]).say(&[b"HDEL", UNACKED, tag]);
        }
        self.link.flush()?;
        Ok(true)
    }

    fn variadic(&mut self) -> Outcome<bool> {
        let batch = self.batch.to_string();
        let reply = self.link.ask(&[b"RPOP", QUEUE, batch.as_bytes()])?;
        let claimed = self.popped(reply)?;
        if claimed.is_empty() {
            return Ok(false);
        }
        self.link.command(2 + 2 * claimed.len()).word("HSET").word(UNACKED);
        for one in &claimed {
            self.link.word(&one.tag).word(&one.envelope);
        }
        let score = Self::score()?;
        self.link.command(2 + 2 * claimed.len()).word("ZADD").word(INDEX);
        for one in &claimed {
            self.link.word(&score).word(&one.tag);
        }
        self.link.flush()?;
        self.note(&claimed)?;
        self.say_results(&claimed);
        for (verb, key) in [("ZREM", INDEX), ("HDEL", UNACKED)] {
            self.link.command(2 + claimed.len()).word(verb).word(key);
            for one in &claimed {
                self.link.word(&one.tag);
            }
        }
        self.link.flush()?;
        Ok(true)
    }

    fn script(&mut self) -> Outcome<bool> {
        let tags: Vec<String> = (0..self.batch).map(|_| self.tag()).collect();
        self.link.command(7 + tags.len()).word("EVAL").word(POP).word("3").word(QUEUE).word(UNACKED).word(INDEX);
        self.link.word(Self::score()?);
        for tag in &tags {
            self.link.word(tag);
        }
        let reply = self.link.flush()?.pop().unwrap_or(Reply::Nothing);
        let claimed = self.popped(reply)?;
        if claimed.is_empty() {
            return Ok(false);
        }
        self.note(&claimed)?;
        let (keys, values) = if self.results { (3, 3) } else { (2, 1) };
        self.link.command(3 + keys + values * claimed.len()).word("EVAL").word(SETTLE).word(keys.to_string());
        self.link.word(UNACKED).word(INDEX);
        if self.results {
            self.link.word(&claimed[0].key);
        }
        for tag in tags.iter().take(claimed.len()) {
            self.link.word(tag);
        }
        if self.results {
            for one in &claimed {
                self.link.word(&one.key);
            }
            for one in &claimed {
                self.link.word(record(one));
            }
        }
        self.link.flush()?;
        Ok(true)
    }

    fn say_results(&mut self, claimed: &[Claimed]) {
        for one in claimed.iter().filter(|_| self.results) {
            let record = record(one);
            self.link.say(&[b"SETEX", one.key.as_bytes(), DAY, record.as_bytes()]);
            self.link.say(&[b"PUBLISH", one.key.as_bytes(), record.as_bytes()]);
        }
    }
}

/// The number that a task would be given.
fn index(envelope: &[u8]) -> Outcome<u64> {
    Ok(std::str::from_utf8(envelope.get(..ID).unwrap_or_default())?.parse()?)
}

/// A result as Celery writes it.
fn record(one: &Claimed) -> String {
    let id = &one.key["celery-task-meta-".len()..];
    format!(
        "{{\"status\": \"SUCCESS\", \"result\": 0, \"traceback\": null, \"children\": [], \"date_done\": \
         \"2026-11-22T10:00:00.000000+00:00\", \"task_id\": \"{id}\"}}"
    )
}
