//! What cannot work ends at once, with one clear sentence and a non-zero exit.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::peer::Python;
use crate::place::{Place, Program};
use crate::running::Running;
use crate::server::{Server, free_port};

/// The commands that open the store, the roles and the clients alike.
const OPENING: [&[&str]; 7] = [
    &["up", "--listen", "127.0.0.1:0"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["worker"],
    &["call", "some.task"],
    &["result", "some-id"],
    &["queues"],
    &["dead", "list"],
];

/// Those of them that only look.
const LOOKING: [&[&str]; 3] = [&["result", "some-id"], &["queues"], &["dead", "list"]];

/// Much longer than a client may keep a person waiting.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for role in ["up", "serve", "worker"] {
        let place = Place::new();
        let sentence = place.run(Program::Apium, &[role, "--listen", &address]).sentence();
        let told = format!("{address} is taken by another program; stop it or choose another with --listen HOST:PORT");
        assert!(sentence.contains(&told), "{role}: {sentence}");
        assert!(!place.path("apium-data").exists(), "{role}: nothing was made before the port was ours");
    }
}

#[test]
fn an_address_that_is_not_this_machines() {
    let sentence = Place::new().run(Program::Apium, &["serve", "--listen", "192.0.2.1:8000"]).sentence();
    assert!(sentence.contains("cannot listen on 192.0.2.1:8000"), "{sentence}");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = Place::new();
    let file = place.file("in-the-way", "not a folder").display().to_string();
    // Nobody, root included, may make anything in /proc.
    for (folder, word) in [(file.as_str(), "in-the-way"), ("/proc/apium", "/proc/apium"), ("/proc/self/fd", "/proc/")] {
        for command in OPENING {
            let sentence = place.run(Program::Apium, &[command, &["--data", folder]].concat()).sentence();
            let why = sentence.contains("cannot be") || LOOKING.contains(&command) && sentence.contains("no store");
            assert!(sentence.contains(word) && why, "{command:?} in {folder}: {sentence}");
        }
    }
}

#[test]
fn a_file_that_is_no_database_and_a_database_of_another_program() {
    for command in OPENING {
        let place = Place::new();
        let noise = place.file("apium-data/apium.db", "a diary, not a database. ".repeat(400));
        let sentence = place.run(Program::Apium, command).sentence();
        assert!(sentence.contains(&format!("{} is not a SQLite database", noise.display())), "{command:?}: {sentence}");
        let text = std::fs::read_to_string(&noise).unwrap();
        assert!(text.starts_with("a diary"), "{command:?}: it was left as it was");
    }
}

#[test]
fn a_database_that_is_damaged() {
    let place = Place::new();
    let file = place.path("apium-data/apium.db");
    place.run(Program::Apium, &["call", "some.task"]).printed();
    let mut bytes = std::fs::read(&file).unwrap();
    // What was committed may still stand in the log beside the file.
    for ending in ["-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{ending}", file.display())));
    }
    // The header stays, so that it still calls itself ours; every page's own header is overwritten.
    for page in 0..bytes.len() / 4096 {
        let from = if page == 0 { 100 } else { page * 4096 };
        bytes[from..from + 40].fill(0xEE);
    }
    std::fs::write(&file, &bytes).unwrap();
    for command in OPENING {
        let sentence = place.run(Program::Apium, command).sentence();
        assert!(sentence.contains("apium.db is damaged"), "{command:?}: {sentence}");
    }
}

/// The first page is whole: nothing is noticed by opening alone.
#[test]
fn a_database_damaged_behind_its_first_page() {
    for command in OPENING {
        let place = Place::new();
        place.run(Program::Apium, &["call", "some.task"]).printed();
        let file = place.path("apium-data/apium.db");
        // What was committed moves from the log beside the file into the file.
        let text = format!("import sqlite3; sqlite3.connect({file:?}).execute('pragma wal_checkpoint(truncate)')");
        Running::start(Python::with_celery("5.7").command("", &["-c", &text])).ended().printed();
        let mut bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() > 10 * 4096, "{}", bytes.len());
        bytes[4096..].fill(0xa7);
        std::fs::write(&file, bytes).unwrap();
        let sentence = place.run(Program::Apium, command).sentence();
        assert!(sentence.contains("apium.db is damaged"), "{command:?}: {sentence}");
    }
}

#[test]
fn a_command_that_only_looks_makes_no_store() {
    for command in LOOKING {
        let place = Place::new();
        let sentence = place.run(Program::Apium, command).sentence();
        assert!(sentence.contains("apium-data/apium.db yet: start `apium up`"), "{command:?}: {sentence}");
        assert!(!place.path("apium-data").exists(), "{command:?}");
    }
}

#[test]
fn a_broker_nobody_knows() {
    for (url, told) in [
        ("amqp://127.0.0.1//", "amqp:// is not known to Apium; write sqlite:PATH, redis://HOST:PORT/DB"),
        ("127.0.0.1:6379", "it is not a URL; write sqlite:PATH, redis://HOST:PORT/DB"),
        ("redis://127.0.0.1:6379/first", "`first`"),
        ("redis://127.0.0.1:1/0;redis://127.0.0.1:2/0", "several servers"),
        ("sqlite:", "sqlite: names no file"),
        ("sqlite:///x?password=y", "sqlite:PATH takes no options"),
    ] {
        for command in OPENING {
            let place = Place::on(url);
            let sentence = place.run(Program::Apium, command).refusal();
            assert!(sentence.contains(told), "{command:?} on {url}: {sentence}");
            assert!(sentence.starts_with("error: broker cannot be used: "), "{command:?} on {url}: {sentence}");
            assert!(sentence.ends_with("(from APIUM_BROKER)"), "{command:?} on {url}: {sentence}");
        }
    }
    for command in OPENING {
        let sentence = Place::on("sqlite:/").run(Program::Apium, command).sentence();
        assert!(sentence.contains("/ is a folder, not a file"), "{command:?}: {sentence}");
    }
}

#[test]
fn a_store_that_nobody_else_can_see() {
    for variable in ["APIUM_BROKER", "APIUM_RESULT_BACKEND"] {
        let place = Place::new().with(variable, "memory://");
        for command in OPENING.into_iter().filter(|command| command[0] != "up") {
            let sentence = place.run(Program::Apium, command).refusal();
            let told = "cannot be memory:// here, which lives in one process and nobody else can see: use it with `up`";
            assert!(sentence.contains(told) && sentence.contains(variable), "{command:?}: {sentence}");
        }
    }
    let place = Place::on("memory://");
    let mut up = place.start(Program::Apium, &["up", "--listen", "127.0.0.1:0"]);
    up.until_says("Ctrl-C stops.");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_redis_that_is_not_there_or_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    for port in [free_port(), silent] {
        let place = Place::on(&format!("redis://127.0.0.1:{port}/0"));
        let began = Instant::now();
        let running: Vec<_> = OPENING.iter().map(|command| (command, place.start(Program::Apium, command))).collect();
        for (command, running) in running {
            let sentence = running.ended().sentence();
            assert!(sentence.contains(&format!("Redis at redis://127.0.0.1:{port}/0")), "{command:?}: {sentence}");
            assert!(sentence.contains("cannot be reached") || sentence.contains("did not"), "{command:?}: {sentence}");
        }
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    }
}

#[test]
fn a_redis_that_wants_another_password() {
    let server = Server::with(&["--requirepass", "the-right-one"]);
    let port = server.port();
    for (login, told) in [
        (":the-wrong-one@", "refused the user name or password; check them in the URL"),
        ("", "wants a password, but the URL gives none"),
    ] {
        let place = Place::on(&format!("redis://{login}127.0.0.1:{port}/0"));
        for command in OPENING {
            let ended = place.run(Program::Apium, command);
            assert!(!format!("{ended:?}").contains("the-wrong-one"), "{ended:?}");
            let sentence = ended.sentence();
            assert!(sentence.contains(told), "{command:?}: {sentence}");
        }
    }
    let place = Place::on(&format!("redis://:the-right-one@127.0.0.1:{port}/0"));
    let mut worker = place.start(Program::Apium, &["worker", "-l", "trace"]);
    worker.until_says("Ctrl-C stops.");
    place.run(Program::Apium, &["queues"]).printed();
    let ended = worker.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!format!("{ended:?}").contains("the-right-one"), "{ended:?}");
}
