//! Every name this crate uses in Redis: kombu's own, as its peers write them, and ours under `apium:`.
//!
//! | key | type | what |
//! | --- | --- | --- |
//! | `<queue>`, `<queue>\x06\x163` `6` `9` | list | waiting messages, a list a priority step |
//! | `unacked` | hash | tag → `[<message>, "<exchange>", "<routing key>"]` |
//! | `unacked_index` | zset | tag → moment from which it may be restored |
//! | `_kombu.binding.<queue>`, `_kombu.binding_permanent.<queue>` | set | how peers find the queue |
//! | `celery-task-meta-<id>` | string | a result; its channel has the same name |
//! | `celery-taskset-meta-<group>` | string | a group's members |
//! | `celery-taskset-meta-<group>.j` `.t` `.s` `.d` `.c` | zset, string, string, set, string | a chord: see [`chord`] |
//! | `apium:delayed:<queue>` | zset | tag of a message held in `unacked` → when it is due |
//! | `apium:redelivered` | zset | SHA-1 of a waiting message that was handed out before → when it came back |
//! | `apium:known:<id>` | string | `sent` or `ended`: an id announced by its sender |
//! | `apium:settled:<sha1>` | string | a settlement without a delivery has sent these bytes; for ten minutes |
//! | `apium:unique:<key>` | string | who holds the key of a unique task: `w<id>` waits, `r<id>` runs |
//! | `apium:called-off:<id>` | string | a task that a newer one with its key has taken the place of |
//! | `apium:limits`, `apium:limits:version` | hash, string | what is limited → its definition; another number after each change |
//! | `apium:limits:places:<name>` | zset | tag of a claim that holds a place → until when, `inf`: as long as the claim lives |
//! | `apium:limits:line:<name>`, `…:called:<name>`, `…:waiting:<name>` | zset, zset, hash | who waits, by turn; whom a place is kept for → when it is due; each with since when and the tag of its message |
//! | `apium:limits:starts:<name>`, `…:failures:<name>`, `…:breaker:<name>` | list, list, hash | the latest moments; of a breaker that is not closed until when nothing starts, and who tries |
//! | `apium:limits:lines`, `apium:limits:used` | set, zset | names in whose lines somebody stands; name → when it last admitted, was spent, or was found in use |
//! | `apium:shares:sorted:<queue>` | zset | tag of a message of a shared queue, which waits like a delayed one → its turn |
//! | `apium:shares:reached:<queue>`, `…:served:<queue>` | zset, string | share → the earliest turn of its next message; the turn served last |
//! | `apium:schedules`, `apium:schedules:states` | hash, hash | entry of a schedule; its version, and after a space how far it is decided |
//! | `apium:schedules:changes`, `…:edition`, `…:versions` | zset, string, string | entry → the edition in which it was put or dropped; the last edition, the last version |
//! | `apium:schedules:leader`, `…:terms` | hash, string | who leads the schedulers: `term`, `renewed`, `name`; the last term |
//! | `apium:schedules:history` | list | what was decided, a line each, the newest first |
//! | `apium:dead`, `apium:dead:letters` | zset, hash | dead letters by time; id → letter |
//! | `apium:deaths`, `apium:deaths:at` | hash, zset | SHA-1 of a message as it lies in `unacked` → whose lease on it ran out, a line each; → when last |
//! | `apium:holder:<instance>` | string | the name of the worker whose claims bear this instance in their tags; for a week |
//! | `apium:workers`, `apium:worker:cards` | zset, hash | `<name> <pid> <started>` of a worker → until when it counts as alive; its card |
//! | `apium:revoked`, `apium:revoked:until` | zset, zset | revoked id → cursor; → until when it is remembered |
//! | `_kombu.binding.celery.pidbox` | set | mailboxes of workers; nobody reads it |
//! | `_kombu.binding.reply.celery.pidbox`, `<id>.reply.celery.pidbox` | set, list | how answers find whoever asked; the answers |
//! | `apium:inboxes` | zset | a binding of ours for answers → until when it is kept if its process dies |
//! | `apium:queues` | set | queues an Apium process has used |

use std::time::Duration;

/// Unsettled messages.
pub(crate) const UNACKED: &str = "unacked";
/// When each of them may be restored.
pub(crate) const INDEX: &str = "unacked_index";
/// Waiting messages that were handed out before.
pub(crate) const REDELIVERED: &str = "apium:redelivered";
/// What the names of settlements without a delivery begin with.
pub(crate) const SETTLED: &str = "apium:settled:";
/// Since when the same message has been next in a list.
pub(crate) const HEADS: &str = "apium:heads";
/// What the marks of tasks begin with whose place a newer one has taken.
pub(crate) const CALLED_OFF: &str = "apium:called-off:";
/// What is limited. The other keys of limits begin with the same.
pub(crate) const LIMITS: &str = "apium:limits";
/// Another number after each change of what is limited.
pub(crate) const LIMITS_VERSION: &str = "apium:limits:version";
/// Entries of schedules. The other keys of schedules begin with the same.
pub(crate) const SCHEDULES: &str = "apium:schedules";
/// Dead letters by time.
pub(crate) const DEAD: &str = "apium:dead";
/// Dead letters by id.
pub(crate) const LETTERS: &str = "apium:dead:letters";
/// Whose leases on a message ran out.
pub(crate) const DEATHS: &str = "apium:deaths";
/// When the last of them did.
pub(crate) const DEATHS_AT: &str = "apium:deaths:at";
/// Who is alive.
pub(crate) const WORKERS: &str = "apium:workers";
/// What the living said of themselves.
pub(crate) const CARDS: &str = "apium:worker:cards";
/// Revoked ids by cursor.
pub(crate) const REVOKED: &str = "apium:revoked";
/// Revoked ids by the end of their memory.
pub(crate) const REVOKED_UNTIL: &str = "apium:revoked:until";
/// Bindings of inboxes, by the end of their time.
pub(crate) const INBOXES: &str = "apium:inboxes";
/// Queues an Apium process has used.
pub(crate) const QUEUES: &str = "apium:queues";
/// What kombu's binding tables begin with.
pub(crate) const BINDING: &str = "_kombu.binding.";
/// How the tag of a claim begins. Python's tags are UUIDs, so none begins like this.
pub(crate) const CLAIMED: &str = "apium:";
/// How the tag of a message that waits for its time begins.
pub(crate) const DELAYED: &str = "apium-delayed:";
/// Kombu's separator in list names and binding members.
pub(crate) const SEPARATOR: &str = "\u{6}\u{16}";
/// Kombu's priority steps, in serving order.
pub(crate) const STEPS: [u8; 4] = [0, 3, 6, 9];

/// The step a priority belongs to: 0 to 2 → 0, 3 to 5 → 3, 6 to 8 → 6, above → 9.
pub(crate) fn step_of(priority: u64) -> u8 {
    match priority {
        0..=2 => 0,
        3..=5 => 3,
        6..=8 => 6,
        _ => 9,
    }
}

/// The list of one priority step of a queue.
pub(crate) fn list(queue: &str, step: u8) -> String {
    if step == 0 { queue.to_owned() } else { format!("{queue}{SEPARATOR}{step}") }
}

/// The lists of queues in kombu's serving order: all queues at step 0, all at 3, …
pub(crate) fn lists(queues: &[String]) -> Vec<String> {
    STEPS.iter().flat_map(|step| queues.iter().map(|queue| list(queue, *step))).collect()
}

/// Where a queue's messages that wait for their time are listed.
pub(crate) fn delayed(queue: &str) -> String {
    format!("apium:delayed:{queue}")
}

/// Where a result lies, and on which channel it is told.
pub(crate) fn meta(task_id: &str) -> String {
    format!("celery-task-meta-{task_id}")
}

/// What is kept of a group.
pub(crate) fn group(id: &str) -> String {
    format!("celery-taskset-meta-{id}")
}

/// What is kept of the chord over a group: `j` its parts, `t` how many were added, `s` its size, `d` which parts were
/// counted, `c` who sends the body.
pub(crate) fn chord(group: &str, what: char) -> String {
    format!("celery-taskset-meta-{group}.{what}")
}

/// Where it is remembered that an id was announced.
pub(crate) fn known(task_id: &str) -> String {
    format!("apium:known:{task_id}")
}

/// Who holds the key of a unique task.
pub(crate) fn unique(key: &str) -> String {
    format!("apium:unique:{key}")
}

/// Something of all schedules.
pub(crate) fn schedules(what: &str) -> String {
    format!("{SCHEDULES}:{what}")
}

/// The sorted messages of a shared queue.
pub(crate) fn sorted(queue: &str) -> String {
    shares(queue, "sorted")
}

/// Something of the turns of a shared queue.
pub(crate) fn shares(queue: &str, what: &str) -> String {
    format!("apium:shares:{what}:{queue}")
}

/// Something of all limits.
pub(crate) fn limits(what: &str) -> String {
    format!("{LIMITS}:{what}")
}

/// What an exchange's queues are looked up in.
pub(crate) fn binding(exchange: &str) -> String {
    format!("{BINDING}{exchange}")
}

/// The same for queues that never expire: keeps peers from sweeping the binding away.
pub(crate) fn binding_permanent(exchange: &str) -> String {
    format!("_kombu.binding_permanent.{exchange}")
}

/// The member that binds a queue to the exchange of its own name: routing key, pattern, queue.
pub(crate) fn binding_member(queue: &str) -> String {
    format!("{queue}{SEPARATOR}{SEPARATOR}{queue}")
}

/// How the value in `unacked` ends after the message: no exchange, the queue as routing key.
pub(crate) fn ending(queue: &str) -> String {
    format!(", \"\", {}]", apium_protocol::RawJson::string(queue).as_str())
}

/// Whose claims bear this instance in their tags.
pub(crate) fn holder(instance: &str) -> String {
    format!("apium:holder:{instance}")
}

/// What a tag of ours tells: `<kind><instance>:<number>:<step>:<queue>`; behind the instance of a claim `-<milliseconds>`.
pub(crate) struct Tag<'a> {
    /// It waits for its time.
    pub(crate) delayed: bool,
    /// The process that made it.
    pub(crate) instance: &'a str,
    /// How long a lease its holder asks for.
    pub(crate) lease: Option<Duration>,
    /// The priority step it came from.
    pub(crate) step: u8,
    /// The queue it came from.
    pub(crate) queue: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads a tag; `None` for a tag of another's.
    pub(crate) fn read(tag: &'a str) -> Option<Self> {
        let (delayed, rest) = match tag.strip_prefix(DELAYED) {
            Some(rest) => (true, rest),
            None => (false, tag.strip_prefix(CLAIMED)?),
        };
        let mut parts = rest.splitn(4, ':');
        let maker = parts.next()?;
        let (instance, lease) =
            maker.split_once('-').map_or((maker, None), |(instance, lease)| (instance, Some(lease)));
        let lease = lease.and_then(|lease| lease.parse().ok()).map(Duration::from_millis);
        let step = parts.nth(1)?.parse().ok()?;
        Some(Self { delayed, instance, lease, step, queue: parts.next()? })
    }
}
