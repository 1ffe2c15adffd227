//! The in-memory ports keep every promise.

use std::sync::Arc;

use apium_core::conformance::Subject;
use apium_core::limits::{Limit, Limits, Spent};
use apium_core::memory::Memory;
use apium_core::{Broker, Clock, SystemClock, TestClock};
use futures_util::FutureExt as _;

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

/// On threads that really run side by side, by a clock that really runs.
#[test]
fn threads_together_spend_as_much_as_may_and_no_more() {
    let memory = Memory::default();
    let limits = ["provider=virustotal".to_owned()];
    let pace = Limit { rate: "300/1h".parse().ok(), ..Limit::default() };
    memory.set_limit(&limits[0], &pace).now_or_never().unwrap().unwrap();
    let one = || matches!(memory.spend(&limits, 1).now_or_never(), Some(Ok(Spent::Now { .. })));
    let spender = || (0..200).filter(|_| one()).count();
    let had = std::thread::scope(|scope| {
        let spenders = [(); 4].map(|()| scope.spawn(spender));
        spenders.map(|spender| spender.join().unwrap())
    });
    assert_eq!(had.iter().sum::<usize>(), 300, "{had:?}");
}
