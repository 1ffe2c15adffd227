//! A parser that crashes, hangs, floods or eats costs one child process and gives one clear sentence.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use svc_osint::sandbox::{SandboxError, SandboxLimits, parse};

/// The parser, as the executable of a user contains it.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/sandbox");
    assert!(program.exists(), "cargo builds it with the tests: cargo test -p svc-osint --examples");
    program
}

/// Everyday limits, with a debug build's slowness in mind.
pub(crate) fn limits() -> SandboxLimits {
    SandboxLimits {
        program: Some(program()),
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(40),
        ..SandboxLimits::default()
    }
}

/// A shell script in the place of the parser.
fn script(folder: &Path, text: &str) -> SandboxLimits {
    let file = folder.join("parser");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    SandboxLimits { program: Some(file), ..SandboxLimits::default() }
}

/// A pipe with a name: whoever writes to it says by that that it lives, and by letting go that it is
/// dead. Both are told through the channel.
fn pulse(folder: &Path) -> (PathBuf, Receiver<&'static str>) {
    let fifo = folder.join("pulse");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (tell, told) = std::sync::mpsc::channel();
    let path = fifo.clone();
    std::thread::spawn(move || {
        let mut pipe = std::fs::File::open(path).unwrap();
        let _ = tell.send("alive");
        pipe.read_to_end(&mut Vec::new()).unwrap();
        let _ = tell.send("dead");
    });
    (fifo, told)
}

/// What the pulse says next, within reason.
async fn next(told: Receiver<&'static str>) -> (&'static str, Receiver<&'static str>) {
    let wait = move || (told.recv_timeout(Duration::from_secs(10)).unwrap_or("silent"), told);
    tokio::task::spawn_blocking(wait).await.unwrap()
}

#[tokio::test]
async fn the_child_confines_itself_before_it_reads() {
    let mut child = Command::new(program())
        .args(["sandbox-parse", "268435456", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let expected = [
        ("Max cpu time", "3", "4"),
        ("Max file size", "0", "0"),
        ("Max core file size", "0", "0"),
        ("Max open files", "0", "0"),
        ("Max address space", "268435456", "268435456"),
    ];
    // More than a pipe holds: when it is written, the child has begun to read.
    child.stdin.as_mut().unwrap().write_all(&vec![b'x'; 1 << 20]).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    for (name, soft, hard) in expected {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let numbers: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(numbers, [soft, hard], "{name}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    drop(child.stdin.take());
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with(r#"{"unreadable":"#), "{answer}");
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, told) = pulse(folder.path());
    // The grandchild alone keeps the pipe open.
    let mut limits = script(folder.path(), &format!("sleep 300 > {} & wait", fifo.display()));
    limits.wall = Duration::from_secs(3);
    let error = parse(b"x", &limits).await.unwrap_err();
    assert_eq!(error.to_string(), "El fichero no se ha podido analizar en 3 s y se ha abandonado.");
    let (first, told) = next(told).await;
    assert_eq!((first, next(told).await.0), ("alive", "dead"));
}

#[tokio::test]
async fn a_cancelled_scan_leaves_no_child_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, told) = pulse(folder.path());
    let limits = script(folder.path(), &format!("exec sleep 300 > {}", fifo.display()));
    let scan = tokio::spawn(async move { parse(b"x", &limits).await });
    let (first, told) = next(told).await;
    assert_eq!(first, "alive");
    scan.abort();
    assert!(scan.await.unwrap_err().is_cancelled());
    assert_eq!(next(told).await.0, "dead");
}

#[tokio::test]
async fn every_death_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("cat >/dev/null; kill -SEGV $$", "El analizador ha fallado con este fichero (ha muerto por SIGSEGV)."),
        ("kill -KILL $$", "El analizador ha fallado con este fichero (ha muerto por SIGKILL)."),
        ("kill -XCPU $$", "El análisis del fichero ha agotado sus 5 s de procesador."),
        (
            "echo 'memory allocation of 5 bytes failed' >&2; kill -ABRT $$",
            "El análisis del fichero necesita más de 512 MiB de memoria; puede ser una bomba.",
        ),
        ("echo 'no quiero' >&2; exit 3", "El analizador ha fallado con este fichero (no quiero)."),
        ("exit 3", "El analizador ha fallado con este fichero (ha terminado con exit status: 3)."),
        ("echo hola", "El analizador ha fallado con este fichero (su respuesta no se entiende)."),
        ("exit 0", "El analizador ha fallado con este fichero (su respuesta no se entiende)."),
        ("yes", "El análisis del fichero devuelve más de 1048576 bytes y se ha descartado."),
        (
            "head -c 1000000 /dev/zero >&2; echo hola",
            "El analizador ha fallado con este fichero (su respuesta no se entiende).",
        ),
    ];
    for (text, sentence) in cases {
        let limits = script(folder.path(), text);
        // Larger than a pipe holds: a child that dies before reading must not take us with it.
        let error = parse(&vec![b'x'; 1 << 20], &limits).await.unwrap_err();
        assert_eq!(error.to_string(), sentence, "{text}");
    }
    let missing = SandboxLimits { program: Some("/nonexistent".into()), ..SandboxLimits::default() };
    assert!(matches!(parse(b"x", &missing).await, Err(SandboxError::Start(_))));
}

#[tokio::test]
async fn the_child_inherits_no_environment_and_gets_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let limits = script(folder.path(), &format!("(/usr/bin/env; echo \"args $*\"; /bin/pwd) > {}", seen.display()));
    parse(b"x", &limits).await.unwrap_err();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("args sandbox-parse 536870912 5\n/\n"), "{seen}");
    assert!(std::env::var_os("PATH").is_some());
    assert!(!seen.contains("CARGO") && !seen.contains("HOME") && !seen.contains("\nPATH="), "{seen}");
}

#[tokio::test]
async fn more_memory_than_allowed_is_said_to_be_that() {
    let limits = SandboxLimits { memory: 64 << 20, ..limits() };
    let file = vec![0; 60 << 20];
    let error = parse(&file, &limits).await.unwrap_err();
    assert!(matches!(error, SandboxError::Memory(_)), "{error:?}");
}

#[tokio::test]
async fn more_processor_time_than_allowed_is_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let limits = script(folder.path(), "ulimit -S -t 1; while :; do :; done");
    let error = parse(b"x", &limits).await.unwrap_err();
    assert!(matches!(error, SandboxError::Cpu(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_beyond_all_measure_is_not_parsed() {
    let error = parse(&vec![0; (64 << 20) + 1], &limits()).await.unwrap_err();
    assert_eq!(error.to_string(), "El fichero supera los 67108864 bytes y no se analiza.");
}
