//! The promises every backend keeps, on two separate opens of one file and a clock they share.

use std::sync::Arc;

use apium_core::conformance::Subject;
use apium_core::{Broker, TestClock};

use crate::open_with;

async fn subject() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let clock = Arc::new(TestClock::default());
    let broker = Arc::new(open_with(&file, clock.clone()));
    let other = Arc::new(open_with(&file, clock.clone()));
    let (setting, starting) = (clock.clone(), clock.clone());
    Subject {
        broker: broker.clone(),
        results: broker,
        other,
        start: Box::new(move || {
            Box::pin(std::future::ready::<Arc<dyn Broker>>(Arc::new(open_with(&file, starting.clone()))))
        }),
        advance: Box::new(move |by| {
            clock.advance(by);
            Box::pin(std::future::ready(()))
        }),
        set: Box::new(move |by| {
            setting.set(by);
            Box::pin(std::future::ready(()))
        }),
        keep: Box::new(folder),
    }
}

apium_core::conformance_tests!(subject);
apium_core::inspection_tests!(subject);
