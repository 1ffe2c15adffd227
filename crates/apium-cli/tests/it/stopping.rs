//! Stopping: the first signal finishes what runs, the second gives it back, and the next start finds everything.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use apium::{App, Signature};
use nix::sys::signal::Signal;

use crate::diary::{attempts, attempts_of, until_begun};
use crate::http::get;
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until_within;
use crate::running::Unread;
use crate::server::{Server, free_port};

/// For a thousand of something on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Every test here holds on both stores.
fn on_both(test: impl Fn(Place)) {
    test(Place::new());
    let server = Server::start();
    test(Place::on(&server.url()));
}

/// Sends a task that runs until the file `go` is there.
fn hold(place: &Place, task: &str, id: &str) {
    let until = format!("[{:?}]", place.path("go").display().to_string());
    place.run(Program::Probe, &["call", task, "-a", &until, "--task-id", id]).printed();
}

#[test]
fn a_warm_stop_finishes_what_runs_and_starts_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        on_both(|place| {
            for (task, id) in [("probe.hold", "async"), ("probe.block", "blocking"), ("probe.hold", "later")] {
                hold(&place, task, id);
            }
            let mut worker = our_worker(&place, &["-c", "2"]);
            until_begun(&place, "async");
            until_begun(&place, "blocking");
            worker.signal(signal);
            worker.until_says("waiting for running tasks");
            std::fs::write(place.path("go"), "").unwrap();
            let ended = worker.ended();
            assert_eq!(ended.code, Some(0), "{ended:?}");
            for id in ["async", "blocking"] {
                assert_eq!(place.run(Program::Probe, &["result", id]).printed(), "\"released\"");
            }
            assert!(attempts_of(&place, "later").is_empty(), "nothing new begins");
            let _next = our_worker(&place, &[]);
            assert_eq!(place.run(Program::Probe, &["result", "later", "--wait"]).printed(), "\"released\"");
        });
    }
}

#[test]
fn a_second_signal_gives_what_runs_back_at_once() {
    on_both(|place| {
        hold(&place, "probe.hold", "held");
        let mut worker = our_worker(&place, &["--stop-timeout", "3600"]);
        until_begun(&place, "held");
        worker.signal(Signal::SIGINT);
        worker.until_says("stopping; once more stops at once");
        worker.signal(Signal::SIGTERM);
        let began = Instant::now();
        let ended = worker.ended();
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("stopping at once"), "{ended:?}");
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        assert_eq!((&queues[0]["ready"], &queues[0]["claimed"]), (&1.into(), &0.into()), "it waits for another worker");
        std::fs::write(place.path("go"), "").unwrap();
        let _next = our_worker(&place, &[]);
        assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
        let ended: Vec<bool> = attempts_of(&place, "held").iter().map(|attempt| attempt.ended.is_some()).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "cut off once, finished once: {ended:?}");
    });
}

#[test]
fn a_warm_stop_ends_at_its_deadline() {
    on_both(|place| {
        hold(&place, "probe.hold", "held");
        let worker = our_worker(&place, &["--stop-timeout", "0.3"]);
        until_begun(&place, "held");
        let ended = worker.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("giving running tasks back"), "{ended:?}");
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        assert_eq!(queues[0]["ready"], 1, "it waits for another worker");
    });
}

#[test]
fn a_thousand_that_run_go_back_at_once() {
    const MANY: usize = 1_000;
    on_both(|place| {
        let until = place.path("go").display().to_string();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let backend = runtime.block_on(apium::open(&place.broker(), None)).unwrap();
        let client = App::new("stopping").client(&backend);
        let send = |number: usize| {
            let signature = Signature::new("probe.hold").arg(&until).task_id(format!("held-{number}"));
            runtime.block_on(client.send(&signature)).unwrap();
        };
        (0..MANY).for_each(send);
        let worker = our_worker(&place, &["-c", "1000", "--stop-timeout", "2"]);
        until_within(PATIENCE, "all of them to run", || (attempts(&place).len() == MANY).then_some(()));
        let began = Instant::now();
        worker.signal(Signal::SIGTERM);
        let ended = worker.ended_within(PATIENCE);
        println!(
            "{MANY} given back: stopped {:.1} s after the signal, of which 2 s were waited",
            began.elapsed().as_secs_f64()
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        assert_eq!(
            (&queues[0]["ready"], &queues[0]["claimed"]),
            (&MANY.into(), &0.into()),
            "each is back in its queue"
        );
        std::fs::write(place.path("go"), "").unwrap();
        let next = our_worker(&place, &["-c", "100"]);
        let ended = || attempts(&place).iter().filter(|attempt| attempt.ended.is_some()).count();
        until_within(PATIENCE, "all of them to end", || (ended() == MANY).then_some(()));
        assert_eq!(attempts(&place).len(), 2 * MANY, "each began twice and ended once");
        assert_eq!(place.run(Program::Probe, &["result", "held-0", "--wait"]).printed(), "\"released\"");
        assert_eq!(next.stop().code, Some(0));
    });
}

#[test]
fn what_was_acknowledged_early_is_not_given_back_but_told() {
    on_both(|place| {
        hold(&place, "probe.early", "early");
        let worker = our_worker(&place, &["--stop-timeout", "0.3"]);
        until_begun(&place, "early");
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        assert_eq!((&queues[0]["ready"], &queues[0]["claimed"]), (&0.into(), &0.into()), "gone before it ends");
        assert_eq!(worker.stop().code, Some(0));
        let sentence = place.run(Program::Probe, &["result", "early"]).sentence();
        assert!(sentence.contains("WorkerLostError"), "{sentence}");
    });
}

#[test]
fn a_killed_worker_loses_nothing() {
    on_both(|place| {
        hold(&place, "probe.hold", "held");
        let mut first = our_worker(&place, &["--lease", "1"]);
        until_begun(&place, "held");
        first.kill();
        std::fs::write(place.path("go"), "").unwrap();
        let _second = our_worker(&place, &["--lease", "1"]);
        assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
        let ended: Vec<bool> = attempts_of(&place, "held").iter().map(|attempt| attempt.ended.is_some()).collect();
        assert_eq!((ended.len(), ended.iter().filter(|ended| **ended).count()), (2, 1));
    });
}

#[test]
fn up_and_serve_stop_too_and_the_next_start_finds_its_work() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let id = place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]"]).printed();
        let mut up = place.start(Program::Probe, &["up", "--listen", &listen]);
        assert_eq!(place.run(Program::Probe, &["result", &id, "--wait"]).printed(), "1");
        up.until_says(&format!("listening on http://{listen}"));
        up.signal(signal);
        let ended = up.ended();
        assert_eq!((ended.code, ended.stderr.contains("stopped")), (Some(0), true), "{ended:?}");

        let mut serve = place.start(Program::Probe, &["serve", "--listen", &listen]);
        serve.until_says("Ctrl-C stops.");
        serve.signal(signal);
        let ended = serve.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(place.run(Program::Probe, &["result", &id]).printed(), "1", "kept across every stop");
    }
}

/// A request that never ends is no reason to live on.
#[test]
fn a_client_that_stalls_does_not_hold_up_a_stop() {
    for (further, signals) in [(["--stop-timeout", "1"], 1), (["--stop-timeout", "600"], 2)] {
        let place = Place::new();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut arguments = vec!["serve", "--listen", &listen];
        arguments.extend(further);
        let mut serve = place.start(Program::Apium, &arguments);
        serve.until_says("Ctrl-C stops.");
        let mut stalled = std::net::TcpStream::connect(&listen).unwrap();
        let head = "POST /api/v1/scan HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
                    Expect: 100-continue\r\n\r\n";
        stalled.write_all(head.as_bytes()).unwrap();
        // Once it asks for the body, the request is under way.
        let mut asked = [0; 12];
        stalled.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100");
        for n in 0..signals {
            serve.signal(Signal::SIGTERM);
            serve.until_says(["stopping; once more stops at once", "stopping at once"][n]);
        }
        assert_eq!(serve.ended().code, Some(0));
    }
}

/// `apium up 2>&1 | tee log`, and tee has ended: nobody reads what it says, and everything else goes on.
#[test]
fn a_reader_that_went_away_stops_nothing() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut up = Unread::start(place.command(Program::Probe, &["up", "--listen", &listen]), "Ctrl-C stops.", false);
    for n in 0..20 {
        let echoed = place.run(Program::Probe, &["call", "probe.echo", "-a", &format!("[{n}]"), "--wait"]);
        assert_eq!(echoed.printed(), n.to_string());
    }
    assert_eq!(get(&listen, "/readyz").unwrap().0, 200);
    assert_eq!(up.stop(), Some(0));
}

/// A terminal that stands still (Ctrl-S): the pipe is soon full, and a write to it would wait for ever.
#[test]
fn a_reader_that_stands_still_stops_nothing() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let arguments = ["up", "--listen", &listen, "-l", "trace"];
    let mut up = Unread::start(place.command(Program::Probe, &arguments), "Ctrl-C stops.", true);
    // Each request and each attempt is several lines: far more than a pipe holds.
    for _ in 0..400 {
        assert_eq!(get(&listen, "/livez").unwrap().0, 200);
    }
    let echoed = place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--wait"]);
    assert_eq!(echoed.printed(), "1");
    assert_eq!(up.stop(), Some(0));
}

/// A terminal that is closed stops warm like Ctrl-C; SIGQUIT stops cold at once, as in Celery. Nothing stays claimed.
#[test]
fn a_closed_terminal_and_sigquit_give_back_what_runs() {
    for signal in [Signal::SIGHUP, Signal::SIGQUIT] {
        let place = Place::new();
        hold(&place, "probe.hold", "held");
        let timeout = if signal == Signal::SIGHUP { "0.3" } else { "600" };
        let worker = our_worker(&place, &["--stop-timeout", timeout]);
        until_begun(&place, "held");
        worker.signal(signal);
        let ended = worker.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        assert_eq!((&queues[0]["ready"], &queues[0]["claimed"]), (&1.into(), &0.into()), "{signal}");
    }
}
