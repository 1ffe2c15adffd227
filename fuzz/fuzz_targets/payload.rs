//! Any text as the body of a message: whatever is read as arguments survives being sent on.
#![no_main]

use apium_protocol::{Headers, Message, Payload, Properties, python_repr};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut message = Message::new(Headers::new("t", "i"), &Payload::default(), Properties::default());
    message.properties.body_encoding = None;
    message.body = text.to_owned();
    let payload = match message.payload() {
        Ok(payload) => payload,
        Err(error) => {
            assert_eq!(error.task_id(), Some("i"));
            return;
        }
    };
    let _ = python_repr::args(&payload.args);
    let _ = python_repr::kwargs(&payload.kwargs);
    let sent = Message::new(message.headers, &payload, Properties::default());
    let received = Message::decode(&sent.encode()).expect("what was sent is read");
    // The object of protocol 1 is flatter than what it is sent on as, so the deepest one does not fit any more.
    match received.payload() {
        Ok(again) => assert_eq!(again, payload),
        Err(error) => assert!(error.to_string().contains("deep") && text.trim_start().starts_with('{'), "{error}"),
    }
});
