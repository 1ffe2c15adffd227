//! What an entry and a due time alone decide, so that it is the same for every scheduler: the id of the run, and by how
//! much it is put off.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The id of the task that is sent for a due time of the entry with this name: a UUID (version 8) made of both. Whoever
/// sends it a second time sends it under the same id, so that it can be told from a new one.
pub fn task_id(entry: &str, due: Timestamp) -> String {
    uuid(digest("run", entry, due))
}

/// The id of the task that is sent by hand at an instant, whether the entry is due or not.
pub fn task_id_by_hand(entry: &str, now: Timestamp) -> String {
    uuid(digest("by hand", entry, now))
}

/// By how much the run is put off, from nothing to `most`.
pub fn jitter(entry: &str, due: Timestamp, most: Duration) -> Duration {
    if most.is_zero() {
        return Duration::ZERO;
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest("jitter", entry, due)[..8]);
    // A share of `most`, in 2^-64ths.
    let nanos = (most.as_nanos().min(u128::from(u64::MAX)) * u128::from(u64::from_be_bytes(bytes))) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn uuid(digest: [u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn digest(purpose: &str, entry: &str, due: Timestamp) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in ["apium-beat", purpose, entry] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(due.as_nanosecond().to_be_bytes());
    hash.finalize().into()
}
