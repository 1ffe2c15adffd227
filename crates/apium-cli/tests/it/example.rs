//! `examples/adder.rs`, the program of one's own, does what its first lines promise.

use crate::console::{Console, Raised};
use crate::peer::Python;
use crate::place::{Place, Program};
use crate::server::Server;

#[test]
fn it_is_worker_and_client_in_one() {
    let place = Place::new();
    let mut worker = place.start(Program::Adder, &["worker"]);
    worker.until_says("tasks demo.add, demo.divide");
    let call = |arguments: &[&str]| place.run(Program::Adder, &[&["call"], arguments, &["--wait"]].concat());
    assert_eq!(call(&["demo.add", "--args", "[2]"]).printed(), "3", "as its own documentation says");
    assert_eq!(call(&["demo.add", "--args", "[2, 3]"]).printed(), "5");
    assert_eq!(call(&["demo.add", "--kwargs", "{\"y\": 40, \"x\": 2}"]).printed(), "42");
    assert!(call(&["demo.divide", "--args", "[1, 0]"]).sentence().contains("ZeroDivisionError: division by zero"));
    let ended = worker.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn python_calls_it_and_catches_its_error() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let _worker = place.start(Program::Adder, &["worker"]);
    let mut python = Console::open(&Python::with_celery("5.7"), &server.url());
    assert_eq!(python.value("send('demo.add', [2], {'y': 3}).get(timeout=30)"), "5");
    assert_eq!(python.value("send('demo.divide', [7], {'by': 2}).get(timeout=30)"), "3.5");
    let raised = python.raises("send('demo.divide', [7], {'by': 0}).get(timeout=30)");
    let expected = Raised { exception: "builtins.ZeroDivisionError".to_owned(), says: "division by zero".to_owned() };
    assert_eq!(raised, expected);
}
