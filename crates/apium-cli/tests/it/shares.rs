//! A shared queue with real worker processes: whoever has little to do does not wait behind whoever has much, also when a
//! stock Celery sends, and nothing is lost when a worker is killed among it.

use apium::{App, Signature};
use serde_json::Value;

use crate::console::Console;
use crate::diary::{Attempt, attempts, until_begun};
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

/// What the one who has much sends first.
const MUCH: usize = 200;
/// Slots of two workers.
const SLOTS: usize = 4;

/// Sends so many whose ids begin so; whose share each is, its number tells.
type Send = Box<dyn FnMut(&str, i64, usize)>;

fn send_all(url: &str, signatures: Vec<Signature>) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let backend = apium::open(url, None).await.unwrap();
        let client = App::new("shares").client(&backend);
        for signature in signatures {
            client.send(&signature).await.unwrap();
        }
    });
}

fn little_does_not_wait_behind_much(place: &Place, mut send: Send) {
    let said = place.run(Program::Probe, &["limits", "set", "queue:celery", "--share", "number"]);
    assert_eq!(said.printed(), "queue:celery is shared by number");
    let worker = |name| our_worker(place, &["-n", name, "--lease", "1", "-c", "2"]);
    let (mut first, _second) = (worker("first@%h"), worker("second@%h"));
    send("much", 1, MUCH);
    until_begun(place, "much-9");
    send("little", 2, 3);
    let begun = attempts(place).len();
    until("the newcomer's to end", || {
        let little = |attempt: &&Attempt| attempt.task.starts_with("little") && attempt.ended.is_some();
        (attempts(place).iter().filter(little).count() == 3).then_some(())
    });
    first.kill();
    until("all to end", || {
        let mut ended: Vec<_> = attempts(place).into_iter().filter(|attempt| attempt.ended.is_some()).collect();
        ended.sort_by(|one, other| one.task.cmp(&other.task));
        ended.dedup_by(|one, other| one.task == other.task);
        (ended.len() == MUCH + 3).then_some(())
    });
    let mut all = attempts(place);
    all.sort_by_key(|attempt| attempt.began);
    // Its first is next, and then it has every other turn; the diaries may be behind by what runs.
    // One that had ended when its worker was killed, and was not settled yet, begins twice.
    let anew = |at: usize| all[..at].iter().all(|before| before.task != all[at].task);
    let last = (0..all.len()).rposition(|at| all[at].task.starts_with("little") && anew(at)).unwrap();
    assert!(
        last <= begun + 6 + 2 * SLOTS,
        "the newcomer's third began as the {last}th, though it was sent after {begun}"
    );
    assert!(last < MUCH / 2, "{last} of {MUCH}: too late to tell");
    let twice = all.len() - MUCH - 3;
    assert!(twice <= SLOTS, "{twice} ran twice, and one worker with two slots was killed");
    until("the queue to be empty", || {
        let shown: Value = serde_json::from_str(&place.run(Program::Probe, &["queues", "--json"]).stdout).unwrap();
        let all = shown.as_array().unwrap().iter();
        let empty = all.map(|queue| [&queue["ready"], &queue["delayed"], &queue["claimed"]]);
        empty.flatten().all(|count| *count == 0).then_some(())
    });
}

#[test]
fn on_redis_with_a_stock_sender() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut console = Console::open(&python, &server.url());
    let send = move |name: &str, number: i64, count: usize| {
        let each = format!("send('probe.note', [{number}, 0.05], task_id=f'{name}-{{n}}')");
        console.value(&format!("[{each}.id for n in range({count})][0]"));
    };
    little_does_not_wait_behind_much(&place, Box::new(send));
}

#[test]
fn on_sqlite() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    let send = move |name: &str, number: i64, count: usize| {
        let note = Signature::new("probe.note").arg(number).kwarg("seconds", 0.05);
        send_all(&url, (0..count).map(|at| note.clone().task_id(format!("{name}-{at}"))).collect());
    };
    little_does_not_wait_behind_much(&place, Box::new(send));
}

#[test]
fn what_waits_in_a_queue_that_is_shared_no_more_runs() {
    let place = Place::new();
    let run = |arguments: &[&str]| place.run(Program::Probe, arguments);
    assert_eq!(run(&["limits", "set", "queue:celery", "--share", "number"]).code, Some(0));
    let gate = place.path("gate");
    let _worker = our_worker(&place, &["-n", "only@%h", "-c", "1"]);
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    send_all(&url, vec![Signature::new("probe.hold").kwarg("until", &gate).task_id("holds")]);
    until_begun(&place, "holds");
    send_all(&url, vec![Signature::new("probe.note").arg(1).task_id("waits")]);
    assert_eq!(run(&["limits", "drop", "queue:celery"]).code, Some(0));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(run(&["result", "waits", "--wait"]).printed(), "1");
}
