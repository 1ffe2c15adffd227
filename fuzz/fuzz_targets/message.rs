//! Any bytes from a queue: whatever is read as a message is written as one that reads the same.
#![no_main]

use apium_protocol::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let marked = Message::redelivered(bytes);
    let message = match Message::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let _ = message.payload();
    let written = message.encode();
    let again = Message::decode(&written).expect("what was written is read");
    // The text is compared because NaN is not equal to itself.
    assert_eq!(again.encode(), written);
    if let Some(marked) = marked {
        let mut marked = Message::decode(&marked).expect("a marked message is read");
        marked.headers.redelivered = message.headers.redelivered;
        marked.properties.delivery_info.redelivered = message.properties.delivery_info.redelivered;
        assert_eq!(marked.encode(), written);
    }
});
