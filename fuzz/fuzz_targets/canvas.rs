//! Any JSON as a signature, and as what is to follow a task: it is planned and followed without a panic, in bounded
//! space, and what is read as a signature survives being written.
#![no_main]

use apium_protocol::canvas::{self, Call, Sender, Signature};
use apium_protocol::{Embed, Headers, RawJson};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(json) = RawJson::parse(text) else { return };
    let mut last = 0_u64;
    let mut fresh = || {
        last += 1;
        format!("id-{last}")
    };
    if let Ok(signature) = Signature::decode(&json) {
        if let Ok(written) = signature.to_json() {
            let again = Signature::decode(&written).expect("what was written is read");
            assert_eq!(again.to_json().expect("it was written before"), written);
        }
        let mut sender = Sender { ids: &mut fresh, reply_to: None, current: None };
        if let Ok(plan) = canvas::plan(&signature, &Call::default(), &mut sender) {
            let _ = plan.children_json();
            let _ = plan.messages().count();
        }
    }
    let mut headers = Headers::new("t", "i");
    headers.group = Some("g".to_owned());
    let lists = [&json; 4].map(Clone::clone);
    let [chain, chord, callbacks, errbacks] = lists;
    let embed = Embed { chain, chord, callbacks, errbacks, ..Embed::default() };
    let mut sender = Sender { ids: &mut fresh, reply_to: None, current: None };
    let _ = canvas::on_success(&headers, &embed, &json, &mut sender);
    let _ = canvas::on_failure(&headers, &embed, &|_: &Signature| true, &mut sender);
    let _ = canvas::chord_done(&json, std::slice::from_ref(&json), &mut sender);
    let _ = canvas::chord_failed(&json, &|_: &Signature| false, &mut sender);
});
