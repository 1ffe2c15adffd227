//! The in-memory ports keep every promise.

use std::sync::Arc;

use apium_core::conformance::Subject;
use apium_core::memory::Memory;
use apium_core::{Broker, Clock, SystemClock, TestClock};

async fn subject() -> Subject {
    let clock = Arc::new(TestClock::at(SystemClock.now()));
    let memory = Memory::with_clock(clock.clone());
    let (setting, started) = (clock.clone(), memory.clone());
    Subject {
        broker: Arc::new(memory.clone()),
        results: Arc::new(memory.clone()),
        other: Arc::new(memory),
        start: Box::new(move || Box::pin(std::future::ready::<Arc<dyn Broker>>(Arc::new(started.clone())))),
        advance: Box::new(move |by| {
            clock.advance(by);
            Box::pin(std::future::ready(()))
        }),
        set: Box::new(move |by| {
            setting.set(by);
            Box::pin(std::future::ready(()))
        }),
        keep: Box::new(()),
    }
}

apium_core::conformance_tests!(subject);
