//! What the events of workers say.

use super::fields::event_fields;
use crate::RawJson;

event_fields! {
    /// What a worker says of itself when it comes, goes, and in between.
    pub struct Heartbeat {
        /// Seconds until the next one; after twice as long a worker counts as gone. Celery's default is 2.
        always freq: f64,
        /// How many tasks run. Left out of a heartbeat that remote control asked for, as are the next two.
        known active: Option<u64>,
        /// How many tasks were taken since the start.
        known processed: Option<u64>,
        /// The load of the machine over 1, 5 and 15 minutes.
        known loadavg: Option<[f64; 3]>,
        /// The software.
        known sw_ident: Option<String>,
        /// Its version.
        known sw_ver: Option<String>,
        /// The operating system.
        known sw_sys: Option<String>,
    }
}

event_fields! {
    /// A worker stands for election.
    pub struct Elect {
        /// The id of the election.
        always id: String,
        /// What the winner is to do.
        always topic: String,
        /// With what.
        always action: RawJson,
        /// The version of the procedure, 1.
        always cver: u64,
    }
}

event_fields! {
    /// A worker has seen that another stands for election. One that sends heartbeats must answer so, or the election
    /// never ends.
    pub struct Ballot {
        /// The id of the election.
        always id: String,
    }
}
