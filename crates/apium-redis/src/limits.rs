//! Shared limits: what is set, who holds a place, who stands in which line. The rules are in `scripts/limits.lua`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use apium_core::BackendError;
use apium_core::limits::{
    Admission, Admitted, BreakerState, Definition, Definitions, LOOK_AGAIN, LOOK_EACH, Limit, LimitEnd, LimitUse,
    Limits, Origin, PlaceEnd, Spent,
};
use async_trait::async_trait;
use redis::ScriptInvocation;

use crate::backend::{RedisBackend, millis};
use crate::keys::{self, Tag};
use crate::scripts;
use crate::wake::Look;

/// Names of which the use is told in one look: a script holds up everybody else.
const SHOWN_AT_ONCE: usize = 100;

/// Values in use that are told of at most.
const SHOWN: isize = 1_000;

#[async_trait]
impl Limits for RedisBackend {
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError> {
        if limits.is_empty() {
            return Ok(());
        }
        self.change("declare", Origin::Code, limits).await.map(drop)
    }

    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError> {
        self.change("set", Origin::Operator, &[(name.to_owned(), limit.clone())]).await.map(drop)
    }

    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError> {
        let dropped = self.change("drop", Origin::Operator, &[(name.to_owned(), Limit::default())]).await?;
        Ok(dropped > 0)
    }

    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError> {
        let watched = vec![keys::LIMITS_VERSION.to_owned()];
        let news = self.inner.wake.until(watched, at_most, || self.limits_since(known)).await?;
        match news {
            Some(news) => Ok(news),
            None => Ok(Definitions { version: known.unwrap_or_default(), all: Vec::new() }),
        }
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HVALS").arg(keys::LIMITS).cmd("ZRANGE").arg(keys::limits("used")).arg(-SHOWN).arg(-1);
        pipe.cmd("SRANDMEMBER").arg(keys::limits("lines")).arg(SHOWN);
        let (texts, used, lines): (Vec<String>, Vec<String>, Vec<String>) = self.inner.link.pipeline(&pipe).await?;
        let set = Definitions { version: 0, all: self.definitions(texts) };
        let named = set.all.iter().map(|definition| definition.name.clone());
        let names: BTreeSet<String> = used.into_iter().chain(lines).chain(named).collect();
        let names: Vec<_> = names.into_iter().filter(|name| set.of(name).is_some()).collect();
        let mut uses = Vec::with_capacity(names.len());
        for part in names.chunks(SHOWN_AT_ONCE) {
            self.add_uses(&mut uses, &set, part).await?;
        }
        Ok(uses)
    }

    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError> {
        // Where limits are set from another server's, nobody may have asked here which there are.
        self.inner.limited.store(true, Ordering::Relaxed);
        let queue = &ask.receipt.queue;
        let step = Tag::read(&ask.receipt.tag).map_or(0, |tag| tag.step);
        let mut script = scripts::ADMIT.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::LIMITS).key(keys::delayed(queue));
        script.key(ask.unique.as_ref().map_or_else(|| keys::LIMITS.to_owned(), |end| keys::unique(&end.key)));
        script.arg(self.offset()).arg(&*ask.receipt.tag).arg(self.delayed_tag(queue, step)).arg(&ask.task_id);
        script.arg(LOOK_AGAIN.as_secs_f64()).arg(LOOK_EACH.as_secs_f64());
        match ask.unique.as_ref().map(|end| end.keep) {
            None => script.arg("").arg(""),
            Some(None) => script.arg("release").arg(""),
            Some(Some(keep)) => script.arg("keep").arg(millis(keep)),
        };
        for limit in &ask.limits {
            script.arg(limit);
        }
        let answer: Vec<String> = self.inner.link.script(&script).await?;
        match answer.as_slice() {
            [] => Ok(Admitted::Lost),
            [limit, _] if limit.is_empty() => Ok(Admitted::Now),
            [limit, at_most] => {
                let at_most = Duration::from_millis(at_most.parse().unwrap_or_default());
                Ok(Admitted::Waits { limit: limit.clone(), at_most })
            }
            _ => Err(self.nonsense("admit")),
        }
    }

    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        self.inner.limited.store(true, Ordering::Relaxed);
        let mut script = scripts::SPEND.key(keys::LIMITS);
        script.key(keys::UNACKED).key(keys::INDEX).arg(self.offset()).arg(starts);
        for limit in limits {
            script.arg(limit);
        }
        let answer: Vec<String> = self.inner.link.script(&script).await?;
        match answer.as_slice() {
            [limit, left] if limit.is_empty() => Ok(Spent::Now { left: left.parse().ok() }),
            [limit, wait] => {
                let wait = wait.parse().map(Duration::from_micros).map_err(|_| self.nonsense("spend"))?;
                Ok(Spent::After { limit: limit.clone(), wait })
            }
            _ => Err(self.nonsense("spend")),
        }
    }
}

impl RedisBackend {
    /// Calls whoever has a turn, where nothing else has done so; those who were called too, if their turns are to be
    /// reckoned `anew`.
    pub(crate) async fn tend_limits(&self, anew: bool) -> Result<(), BackendError> {
        if !self.inner.limited.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut script = scripts::TEND_LIMITS.key(keys::LIMITS);
        script.key(keys::UNACKED).key(keys::INDEX).arg(self.offset()).arg(u8::from(anew));
        self.inner.link.script(&script).await
    }

    async fn change(&self, verb: &str, origin: Origin, limits: &[(String, Limit)]) -> Result<u64, BackendError> {
        self.inner.limited.store(true, Ordering::Relaxed);
        let mut script = scripts::SET_LIMITS.key(keys::LIMITS);
        script.key(keys::LIMITS_VERSION).key(keys::UNACKED).key(keys::INDEX).arg(self.offset());
        for (name, limit) in limits {
            let definition = Definition { name: name.clone(), limit: limit.clone(), origin };
            let text = serde_json::to_string(&definition)
                .map_err(|error| BackendError::Broken(format!("the limit {name} cannot be written: {error}")))?;
            script.arg(verb).arg(name).arg(text);
        }
        self.inner.link.script(&script).await
    }

    async fn limits_since(&self, known: Option<u64>) -> Result<Look<Definitions>, BackendError> {
        let link = &self.inner.wake.link;
        let version: Option<u64> = link.command(redis::cmd("GET").arg(keys::LIMITS_VERSION)).await?;
        let version = version.unwrap_or_default();
        if known == Some(version) {
            return Ok(Look::Quiet);
        }
        if version > 0 {
            self.inner.limited.store(true, Ordering::Relaxed);
        }
        // What is set in between is told again, under the version it has then.
        let texts: Vec<String> = link.command(redis::cmd("HVALS").arg(keys::LIMITS)).await?;
        Ok(Look::Found(Definitions { version, all: self.definitions(texts) }))
    }

    /// Definitions by name; one that cannot be read is left out, or it would keep all others from holding.
    fn definitions(&self, texts: Vec<String>) -> Vec<Definition> {
        let read = |text: String| match serde_json::from_str::<Definition>(&text) {
            Ok(definition) => Some(definition),
            Err(error) => {
                tracing::warn!(redis = %self.inner.home, %error, "a limit that is set cannot be read");
                None
            }
        };
        let mut all: Vec<_> = texts.into_iter().filter_map(read).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    async fn add_uses(
        &self,
        uses: &mut Vec<LimitUse>,
        set: &Definitions,
        names: &[String],
    ) -> Result<(), BackendError> {
        let mut script = scripts::LIMIT_USES.key(keys::LIMITS);
        script.key(keys::UNACKED).key(keys::INDEX).arg(self.offset());
        for name in names {
            script.arg(name);
        }
        let answer: Vec<String> = self.inner.link.script(&script).await?;
        let now: f64 = answer.last().and_then(|now| now.parse().ok()).ok_or_else(|| self.nonsense("limit_uses"))?;
        for (name, row) in names.iter().zip(answer.chunks_exact(3)) {
            let (Some(by), [running, waiting, open]) = (set.of(name), row) else { continue };
            let state = match open.parse::<f64>() {
                Err(_) => BreakerState::Closed,
                Ok(until) if until > now => BreakerState::Open,
                Ok(_) => BreakerState::HalfOpen,
            };
            uses.push(LimitUse {
                name: name.clone(),
                limit: by.limit.clone(),
                origin: by.origin,
                running: running.parse().unwrap_or_default(),
                waiting: waiting.parse().unwrap_or_default(),
                state: by.limit.breaker.map(|_| state),
            });
        }
        Ok(())
    }
}

/// Writes what a settlement does to places, as `settle.lua` reads it.
pub(crate) fn add_end(script: &mut ScriptInvocation<'_>, end: Option<&LimitEnd>) {
    let Some(end) = end else {
        script.arg(0);
        return;
    };
    let (how, span) = match end.place {
        PlaceEnd::Good => ("good", Duration::ZERO),
        PlaceEnd::Bad => ("bad", Duration::ZERO),
        PlaceEnd::Neither => ("neither", Duration::ZERO),
        PlaceEnd::Gone => ("gone", Duration::ZERO),
        PlaceEnd::Keep(span) => ("keep", span),
    };
    script.arg(end.limits.len());
    if !end.limits.is_empty() {
        script.key(keys::LIMITS).arg(&end.holder).arg(how).arg(span.as_secs_f64());
    }
    for name in &end.limits {
        script.arg(name);
    }
}
