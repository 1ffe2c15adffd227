//! Any bytes as a body in each serialisation: what is read is JSON that our own side reads, and no longer than allowed.
#![no_main]

use std::sync::LazyLock;

use apium_bodies::{BodySettings, Serializer, WireBodies};
use apium_core::bodies::{Asked, Bodies};
use apium_protocol::{Headers, Message, Properties};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 100_000;

static BODIES: LazyLock<WireBodies> = LazyLock::new(|| {
    let accept_content = Serializer::ALL.to_vec();
    let security_cert_store = Some("../crates/apium-bodies/tests/golden/certs".into());
    let settings = BodySettings { accept_content, largest_body: MOST, security_cert_store, ..BodySettings::default() };
    WireBodies::new(settings).expect("the captured certificates are there")
});

fuzz_target!(|input: (u8, &[u8])| {
    let serializer = Serializer::ALL[usize::from(input.0) % Serializer::ALL.len()];
    let message = Message::packed(Headers::new("t", "i"), input.1, serializer.content(), Properties::default());
    let Ok(payload) = BODIES.open(&message) else { return };
    assert!(serializer == Serializer::Json || payload.to_json().len() <= MOST + 200);
    for name in ["json", "msgpack", "yaml", "pickle"] {
        let asked = Asked { serializer: Some(name.to_owned()), compression: None };
        // What does not fit is refused; what was written is read.
        if let Ok(packed) = BODIES.pack(Headers::new("t", "i"), &payload, Properties::default(), &asked)
            && let Err(error) = BODIES.open(&packed)
        {
            let told = error.to_string();
            let fair = ["larger", "deep", "plain data", "objects"].iter().any(|why| told.contains(why));
            assert!(fair, "{name}: {told}");
        }
    }
});
