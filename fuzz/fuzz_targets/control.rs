//! Any bytes from a channel of remote control: whatever is read as a request or a reply is written as one that reads the
//! same, and every command of it is parsed or refused.
#![no_main]

use apium_protocol::control::{Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::decode(bytes) {
        let _ = request.is_for("celery@host");
        if let Err(refusal) = request.command() {
            assert!(!refusal.to_string().is_empty());
        }
        let written = request.encode();
        assert_eq!(Request::decode(&written).expect("what was written is read").encode(), written);
    }
    if let Ok(reply) = Reply::decode(bytes) {
        let _ = (reply.ok(), reply.error());
        let written = reply.encode();
        assert_eq!(Reply::decode(&written).expect("what was written is read").encode(), written);
    }
});
