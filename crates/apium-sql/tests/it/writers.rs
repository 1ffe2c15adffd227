//! Programs that write into one SQLite file: each waits for the other, and none for long.

use apium_sql::{Database, Value};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS counted (n BIGINT)";
const COUNT: &str = "INSERT INTO counted (n) VALUES ($1)";
const ALL: &str = "SELECT COUNT(*) FROM counted";

async fn counted(database: &Database) -> i64 {
    let row = database.row(ALL, vec![]).await.unwrap().unwrap();
    database.read(&row, 0).unwrap()
}

#[tokio::test]
async fn one_waits_for_the_other_to_end_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("both.db").display());
    // Each has its own turns to write, as two programs have.
    let (one, two) = (Database::open_own(&url).await.unwrap(), Database::open_own_unflushed(&url).await.unwrap());
    one.execute(TABLE, vec![]).await.unwrap();
    let mut step = one.begin().await.unwrap();
    step.execute(COUNT, vec![Value::from(1)]).await.unwrap();
    let other = tokio::spawn({
        let two = two.clone();
        async move { two.execute(COUNT, vec![Value::from(2)]).await }
    });
    assert_eq!(counted(&two).await, 0, "who reads does not wait, and sees what was committed");
    assert!(!other.is_finished(), "the lock is held");
    step.commit().await.unwrap();
    assert_eq!(other.await.unwrap().unwrap(), 1);
    assert_eq!(counted(&one).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_of_several_programs_all_get_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("many.db").display());
    let mut programs = Vec::new();
    for _ in 0..3 {
        programs.push(Database::open_own_unflushed(&url).await.unwrap());
    }
    programs[0].execute(TABLE, vec![]).await.unwrap();
    let write = |n: i64| {
        let program = programs[usize::try_from(n).unwrap() % programs.len()].clone();
        tokio::spawn(async move { program.execute(COUNT, vec![Value::from(n)]).await.unwrap() })
    };
    for written in (0..600).map(write).collect::<Vec<_>>() {
        assert_eq!(written.await.unwrap(), 1);
    }
    assert_eq!(counted(&programs[0]).await, 600);
}
