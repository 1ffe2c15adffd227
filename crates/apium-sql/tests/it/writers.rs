//! Programs that write into one SQLite file: each waits for the other, and none for long.

use apium_sql::{Database, SqlError, Statement, Value};
use tokio::task::JoinHandle;

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

/// The table with room for one of each only.
async fn at_most_one_of_each(folder: &tempfile::TempDir) -> Database {
    let url = format!("sqlite:{}", folder.path().join("unique.db").display());
    let database = Database::open_own(&url).await.unwrap();
    database.execute(TABLE, vec![]).await.unwrap();
    database.execute("CREATE UNIQUE INDEX once ON counted (n)", vec![]).await.unwrap();
    database
}

/// Asks for numbers to be counted together, and waits until that waits for its turn.
async fn asked(database: &Database, numbers: &[i64]) -> JoinHandle<Result<u64, SqlError>> {
    let (database, statements) = (database.clone(), numbers.iter().copied().map(count).collect());
    let asked = tokio::spawn(async move { database.together(statements).await });
    tokio::task::yield_now().await;
    asked
}

fn count(n: i64) -> Statement {
    Statement::new(COUNT, vec![Value::from(n)])
}

#[tokio::test]
async fn statements_that_belong_together_are_carried_out_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let database = at_most_one_of_each(&folder).await;
    assert_eq!(database.together(vec![count(1), count(2)]).await.unwrap(), 2);
    let refused = database.together(vec![count(3), count(2), count(4)]).await.unwrap_err().to_string();
    assert!(refused.contains("UNIQUE"), "{refused}");
    assert_eq!(counted(&database).await, 2, "what stood before the refused one is not there either");
}

#[tokio::test]
async fn one_that_is_refused_takes_none_of_the_others_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = at_most_one_of_each(&folder).await;
    // All of them wait for their turn while this has it, and are then written at once.
    let step = database.begin().await.unwrap();
    let mut all = Vec::new();
    for n in [1, 2, 3, 2, 4] {
        all.push(asked(&database, &[n, 1_000 + n]).await);
    }
    step.commit().await.unwrap();
    let mut refused = 0;
    for written in all {
        refused += u64::from(written.await.unwrap().is_err());
    }
    assert_eq!((refused, counted(&database).await), (1, 8));
}

#[tokio::test]
async fn what_is_written_for_others_goes_on_when_the_first_has_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let database = at_most_one_of_each(&folder).await;
    let step = database.begin().await.unwrap();
    let (first, second) = (asked(&database, &[1]).await, asked(&database, &[2]).await);
    first.abort();
    step.commit().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 1);
    assert_eq!(counted(&database).await, 2);
}
