//! What cannot be opened or used is told in one sentence that names the file and says what to do.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use apium_core::{BackendError, Broker, Settled, Settlement};
use apium_sqlite::{SqliteBackend, SqliteSettings};
use rusqlite::Connection;

use crate::child::Child;
use crate::{claim, message, open, ready};

/// Bytes of one page of the file.
const PAGE: usize = 4_096;

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
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    assert_says(&refused(&file), &file, &["schema 1000", "newer", "upgrade"]);
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

#[tokio::test]
async fn a_file_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let sound = store(folder.path()).await;
    let cut = sound[..sound.len() / 2].to_vec();
    let head = sound[..60].to_vec();
    let mut garbled = sound.clone();
    garbled[PAGE..].fill(0xa5);
    // One page somewhere in the middle, which no question would touch for a long time.
    let mut spot = sound.clone();
    let middle = sound.len() / PAGE / 2 * PAGE;
    spot[middle..middle + PAGE].fill(0xa5);
    for (name, bytes) in [("garbled.db", garbled), ("cut.db", cut), ("head.db", head), ("spot.db", spot)] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        assert_says(&refused(&file), &file, &["is damaged", "put a good copy in its place", ".recover"]);
    }
}

#[tokio::test]
async fn a_large_file_whose_trees_or_free_pages_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.db");
    let broker = open(&file);
    broker.publish(&vec![message("q", &"x".repeat(1 << 20)); 24]).await.unwrap();
    let acks = claim(&broker, "q", 4).await.into_iter().map(|delivery| Settlement::ack(delivery.receipt));
    broker.settle(acks.collect()).await.unwrap();
    drop(broker);
    let db = Connection::open(&file).unwrap();
    let mut asked = db.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 1").unwrap();
    let trees = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut pages: Vec<(String, u32)> = trees.map(Result::unwrap).collect();
    assert!(pages.len() > 15, "{pages:?}");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let file = folder.path().join("copy.db");
    pages.push(("free pages".to_owned(), u32::from_be_bytes(bytes[32..36].try_into().unwrap())));
    for (name, page) in pages {
        let end = usize::try_from(page).unwrap() * PAGE;
        let at = end - PAGE..end;
        let good = bytes[at.clone()].to_vec();
        bytes[at.clone()].fill(0xa5);
        fs::write(&file, &bytes).unwrap();
        let sentence = refused(&file);
        assert!(sentence.contains("is damaged"), "{name}: {sentence}");
        bytes[at].copy_from_slice(&good);
    }
    fs::write(&file, &bytes).unwrap();
    assert_eq!(ready(&open(&file), "q").await, 20, "undamaged, it opens");
}

#[test]
fn no_store_where_none_is_to_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let look = |file: &Path| {
        let settings = SqliteSettings { create: false, ..SqliteSettings::default() };
        match SqliteBackend::open(file, settings) {
            Err(BackendError::Broken(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    };
    let missing = folder.path().join("data/apium.db");
    assert_says(&look(&missing), &missing, &["there is no store in", "apium up", "--data"]);
    assert!(!missing.parent().unwrap().exists(), "nothing is made");
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    assert_says(&look(&empty), &empty, &["there is no store in", "apium up", "--data"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is put beside it");
    drop(open(&missing));
    let settings = SqliteSettings { create: false, ..SqliteSettings::default() };
    SqliteBackend::open(&missing, settings).unwrap();
}

/// The same binary, as a user who is not root: to root, no folder is read-only.
#[cfg(unix)]
fn opened_by_nobody(folder: &Path, mode: u32, file: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let program = folder.join("program");
    // Copied by another process: were it written here, a child that another test starts at this moment would hold it
    // open, and what is open for writing cannot be started.
    assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap().success());
    allow(folder, mode);
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
    let said = opened_by_nobody(folder.path(), 0o555, &file);
    assert_says(&said, &file, &["cannot be created or written by this user", "write permission"]);
    let deeper = folder.path().join("deeper/apium.db");
    let said = opened_by_nobody(folder.path(), 0o555, &deeper);
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
    let said = opened_by_nobody(folder.path(), 0o555, &file);
    assert_says(&said, &file, &["permission", "folder"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    drop(open(&file));
    for ending in ["-wal", "-shm", "-bell"] {
        fs::remove_file(folder.path().join(format!("apium.db{ending}"))).ok();
    }
    allow(&file, 0o444);
    let said = opened_by_nobody(folder.path(), 0o777, &file);
    assert_says(&said, &file, &["permission"]);
}

#[tokio::test]
async fn a_file_that_another_program_locks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let settings = SqliteSettings { busy_timeout: Duration::from_millis(200), ..SqliteSettings::default() };
    let store = SqliteBackend::open(&file, settings).unwrap();
    store.publish(&[message("q", "before")]).await.unwrap();
    let delivery = claim(&store, "q", 1).await.pop().unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let told = store.publish(&[message("q", "refused")]).await.unwrap_err();
        assert!(told.is_transient(), "{told}");
        assert_says(&told.to_string(), &file, &["locked"]);
    }
    let told = store.settle(vec![Settlement::ack(delivery.receipt.clone())]).await.unwrap_err();
    assert!(told.is_transient(), "{told}");
    other.execute_batch("COMMIT").unwrap();
    let settled = store.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
    assert_eq!(settled, [Settled::Done], "it holds what it held");
    store.publish(&[message("q", "after")]).await.unwrap();
    assert_eq!(ready(&store, "q").await, 1, "what was refused is not there");
}

/// A limit on the size of a file refuses writes as a full disk does, and needs no disk of its own.
#[cfg(unix)]
pub(crate) fn on_a_small_disk(role: &str, file: &Path) -> Child {
    let child = Child::command(&std::env::current_exe().unwrap(), role, file);
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap "" XFSZ; ulimit -S -f 6000; exec "$0" "$@""#]).arg(child.get_program());
    limited.args(child.get_args());
    limited.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Child::run(limited)
}

#[cfg(target_os = "linux")]
pub(crate) fn give_room(child: &Child) {
    let mut widened = Command::new("prlimit");
    widened.args(["--pid", &child.id().to_string(), "--fsize=unlimited"]);
    assert!(widened.status().unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let mut child = on_a_small_disk("refill", &file);
    let said: Vec<_> = std::iter::from_fn(|| child.says().filter(|said| said == "published")).collect();
    assert!(!said.is_empty());
    give_room(&child);
    assert_eq!(child.says().as_deref(), Some("claimed all"), "the same handle goes on");
    assert_eq!(ready(&open(&file), "q").await, 0);
    let kept: u64 = child.says().unwrap().parse().unwrap();
    assert_eq!(kept, said.len() as u64 + 100, "what was acknowledged, and nothing else");
}

#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let mut child = on_a_small_disk("fill", &file);
    let said: Vec<_> = std::iter::from_fn(|| child.says()).collect();
    let (sentence, published) = said.split_last().unwrap();
    assert_says(sentence, &file, &["disk", "free space"]);
    assert!(!published.is_empty());
    let kept = ready(&open(&file), "q").await;
    assert_eq!(kept, published.len() as u64, "what was acknowledged, and nothing else");
}
