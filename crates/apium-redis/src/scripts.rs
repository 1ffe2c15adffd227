//! The scripts, each read once; what they do is told in their own first lines.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A call of a script, to which its keys are to be added, so many, and then its arguments: written where they are sent
/// from, for what is called all the time with many of them.
pub(crate) fn call(script: &Script, keys: usize) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys);
    call
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+))
        });)+
    };
}

scripts! {
    ACKNOWLEDGE = "death" "gives_way" "acknowledge";
    ADMIT = "limits" "admit";
    BEAT = "beat";
    BEGIN = "begin";
    CHORD_END = "chord_end";
    CHORD_PART = "chord_part";
    CLAIM = "misfit" "promote" "claim";
    DEPTHS = "misfit" "depths";
    EXAMINE = "examine";
    GIVE_BACK = "give_back";
    INBOX = "inbox";
    LIMIT_USES = "limits" "limit_uses";
    LOWER = "lower";
    OVERDUE = "overdue";
    PROMOTE = "promote" "promote_due";
    PUBLISH = "put" "publish";
    PUBLISH_UNIQUE = "put" "publish_unique";
    PURGE = "purge";
    RENEW = "renew";
    REPLAY = "replay";
    RESTORE = "death" "restore";
    REVOKE = "revoke";
    SETTLE = "death" "gives_way" "limits" "settle";
    SCHEDULE_CHANGES = "schedule_changes";
    SCHEDULE_LEAD = "schedule_lead";
    SCHEDULE_PUT = "schedule_put";
    SCHEDULE_RECORD = "schedule_record";
    SCHEDULE_RENEW = "schedule_renew";
    SET_LIMITS = "limits" "set_limits";
    SORT = "limits" "sort";
    SPEND = "limits" "spend";
    TAKE = "take";
    TEND_LIMITS = "limits" "tend_limits";
    UNSORT = "unsort";
    WORKERS = "workers";
}
