//! Files without an opening, names that say nothing, marks left behind, tests that sleep or do not run.

use crate::planted::{OPENING, Planted};

const PATH: &str = "crates/apium-core/src/queue.rs";
const TEST: &str = "crates/apium-core/tests/it/queue.rs";

#[track_caller]
fn shows(rule: &str, path: &str, code: &str) {
    let tree = Planted::sound();
    tree.write(path, &format!("{OPENING}\n{code}\n")).shows(rule, path, 3);
}

#[track_caller]
fn is_sound(path: &str, code: &str) {
    Planted::sound().write(path, &format!("{OPENING}\n{code}\n")).is_sound();
}

#[test]
fn a_file_opens_with_a_sentence() {
    for text in ["", "//! Queue.\n", "// The queue of a worker.\n", "use x;\n//! The queue of a worker.\n"] {
        Planted::sound().write(PATH, text).shows("opening", PATH, 1);
    }
    Planted::sound().write(PATH, "//! The queue\n//! of a worker.\n").is_sound();
}

#[test]
fn a_name_that_fits_everything_is_found() {
    for file in ["util", "utils", "redis_common", "helpers", "manager", "misc", "data", "misc/queue"] {
        let path = format!("crates/apium-core/src/{file}.rs");
        Planted::sound().write(&path, OPENING).shows("name", &path, 1);
    }
    shows("name", PATH, "pub struct TaskManager;");
    shows("name", PATH, "enum HelperKind {}");
    shows("name", PATH, "trait Common {}");
    shows("name", PATH, "type Data = u8;");
    is_sound(PATH, "struct Metadata; struct Database; // struct Manager");
}

#[test]
fn marks_of_work_left_undone_are_found_in_code_and_pages() {
    for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        shows("mark", PATH, &format!("// {mark}: later"));
        let tree = Planted::sound();
        tree.write("docs/later.md", &format!("# Later\n\n{mark}\n")).shows("mark", "docs/later.md", 3);
    }
    for promise in ["todo", "unimplemented"] {
        shows("mark", PATH, &format!("fn f() {{ {promise}!() }}"));
    }
    is_sound(PATH, "// a todo list, toDOs and AXXX");
}

#[test]
fn a_test_that_sleeps_is_found_and_code_may_sleep() {
    let nap = "async fn nap() { tokio::time::sleep(MOMENT).await }";
    shows("sleep", TEST, nap);
    shows("sleep", "crates/apium-core/src/queue/tests.rs", nap);
    is_sound(PATH, nap);
    is_sound(TEST, "// sleep(1)\nfn f() { run(\"time.sleep(1)\"); oversleep(1) }");
    let tree = Planted::sound();
    tree.write(PATH, &format!("{OPENING}#[cfg(test)]\nmod tests {{\n{nap}\n}}\n{nap}\n"));
    tree.shows("sleep", PATH, 4);
}

#[test]
fn what_debugging_left_behind_is_found() {
    shows("debug", PATH, "fn f() { dbg!(1); }");
    is_sound(PATH, "// dbg!(1)");
}

#[test]
fn a_test_switched_off_is_found() {
    shows("ignored-test", TEST, "#[ignore = \"later\"]");
    shows("ignored-test", TEST, "#[ignore]");
    is_sound(TEST, "#[ignored_too] struct A;");
}

#[test]
fn unsafe_code_is_found() {
    shows("unsafe", PATH, "fn f() { unsafe { g() } }");
    is_sound(PATH, "#![forbid(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";");
}
