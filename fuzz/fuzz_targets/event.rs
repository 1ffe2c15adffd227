//! Any bytes from a channel of events: whatever is read as events is written as the same.
#![no_main]

use apium_protocol::event::EventMessage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let message = match EventMessage::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for event in &message.events {
        let _ = event.candidate();
        let _ = event.kind.routing_key();
    }
    let written = message.encode();
    assert_eq!(EventMessage::decode(&written).expect("what was written is read").encode(), written);
});
