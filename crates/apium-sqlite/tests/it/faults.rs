//! What cannot be opened or used is told in one sentence that names the file and says what to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use apium_core::{BackendError, Broker, Claim};
use apium_sqlite::{SqliteBackend, SqliteSettings};
use rusqlite::Connection;

use crate::child::Child;
use crate::{LEASE, message, open, ready};

fn refused(file: &Path) -> String {
    match SqliteBackend::open(file, SqliteSettings::default()) {
        Err(BackendError::Broken(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_says(sentence: &str, file: &Path, what: &[&str]) {
    assert!(sentence.contains(&file.display().to_string()), "{sentence}");
    for what in what {
        assert!(sentence.contains(what), "{sentence}");
    }
    assert!(!sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    let notes = "These are somebody's notes, and they are to stay as they are.\n".repeat(100);
    fs::write(&file, &notes).unwrap();
    assert_says(&refused(&file), &file, &["not a SQLite database", "name another file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), notes);
}

#[test]
fn the_database_of_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photos.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE photos (name TEXT)").unwrap();
    let before = fs::read(&file).unwrap();
    assert_says(&refused(&file), &file, &["another program", "name another file"]);
    assert_eq!(fs::read(&file).unwrap(), before, "it is left as it was");
}

#[test]
fn a_store_of_a_newer_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    drop(open(&file));
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert_says(&refused(&file), &file, &["schema 7", "newer", "upgrade"]);
}

#[test]
fn a_path_that_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_says(&refused(folder.path()), folder.path(), &["is a folder", "/apium.db"]);
}

#[test]
fn a_folder_that_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let file = folder.path().join("file/apium.db");
    assert_says(&refused(&file), &file, &["cannot be created", "check the path"]);
}

/// The bytes of a store with messages in it, its log moved into the file.
async fn store(folder: &Path) -> Vec<u8> {
    let file = folder.join("sound.db");
    let messages: Vec<_> = (0..500).map(|_| message("q", &"x".repeat(500))).collect();
    open(&file).publish(&messages).await.unwrap();
    let db = Connection::open(&file).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    fs::read(&file).unwrap()
}

/// What a worker hears that opens the file and asks it for work.
async fn no_work_from(file: &Path) -> BackendError {
    match SqliteBackend::open(file, SqliteSettings::default()) {
        Ok(broker) => {
            let queues = ["q".to_owned()];
            broker.claim(&Claim { queues: &queues, max: 10, lease: LEASE }).await.unwrap_err()
        }
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_file_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = store(folder.path()).await;
    let length = bytes.len();
    let cut = bytes[..length / 2].to_vec();
    let head = bytes[..60].to_vec();
    bytes[4_096..].fill(0xa5);
    for (name, bytes) in [("garbled.db", bytes), ("cut.db", cut), ("head.db", head)] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let error = no_work_from(&file).await;
        assert!(!error.is_transient(), "{error}");
        assert_says(&error.to_string(), &file, &["is damaged", "put a good copy in its place", ".recover"]);
    }
}

/// The same binary, as a user who is not root: to root, no folder is read-only.
#[cfg(unix)]
fn opened_by_nobody(folder: &Path, file: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let program = folder.join("program");
    // Copied by another process: were it written here, a child that another test starts at this moment would hold it
    // open, and what is open for writing cannot be started.
    assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap().success());
    allow(folder, 0o555);
    let mut command = Child::command(&program, "open", file);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534).current_dir("/");
    }
    let said = Child::run(command).says().unwrap();
    allow(folder, 0o755);
    said
}

#[cfg(unix)]
fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_read_only_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let said = opened_by_nobody(folder.path(), &file);
    assert_says(&said, &file, &["cannot be created or written by this user", "write permission"]);
    let deeper = folder.path().join("deeper/apium.db");
    let said = opened_by_nobody(folder.path(), &deeper);
    assert_says(&said, deeper.parent().unwrap(), &["cannot be created or written by this user"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_be_written_in_a_folder_that_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    drop(open(&file));
    for ending in ["-wal", "-shm", "-bell"] {
        fs::remove_file(folder.path().join(format!("apium.db{ending}"))).ok();
    }
    allow(&file, 0o666);
    let said = opened_by_nobody(folder.path(), &file);
    assert_says(&said, &file, &["permission", "folder"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let child = Child::command(&std::env::current_exe().unwrap(), "fill", &file);
    // A limit on the size of a file refuses writes as a full disk does, and needs no disk of its own.
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 6000; exec "$0" "$@""#]).arg(child.get_program());
    limited.args(child.get_args());
    limited.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = Child::run(limited);
    let said: Vec<_> = std::iter::from_fn(|| child.says()).collect();
    let (sentence, published) = said.split_last().unwrap();
    assert_says(sentence, &file, &["disk", "free space"]);
    assert!(!published.is_empty());
    let kept = ready(&open(&file), "q").await;
    assert_eq!(kept, published.len() as u64, "what was acknowledged, and nothing else");
}
