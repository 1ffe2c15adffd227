//! Files, functions and folders that grew too large, and a way in that a newcomer would no longer find.

use std::fmt::Write as _;

use crate::planted::{OPENING, Planted, SIX};

/// A function of so many lines.
fn function(name: &str, lines: usize) -> String {
    let mut text = format!("fn {name}() {{\n");
    for _ in 2..lines {
        text.push_str("    step(\"}\");\n");
    }
    text.push_str("}\n");
    text
}

#[test]
fn a_long_file_is_found_by_its_kind() {
    for (path, limit) in [("queue.rs", 600), ("lib.rs", 60), ("main.rs", 100)] {
        let path = format!("crates/apium-core/src/{path}");
        let tree = Planted::sound();
        tree.write(&path, &format!("{OPENING}{}", "\n".repeat(limit - 1))).is_sound();
        tree.write(&path, &format!("{OPENING}{}", "\n".repeat(limit)));
        tree.shows("file-length", &path, limit + 1);
    }
}

#[test]
fn a_long_function_is_found_outside_tests_only() {
    let path = "crates/apium-core/src/queue.rs";
    let tree = Planted::sound();
    tree.write(path, &format!("{OPENING}{}", function("drain", 80))).is_sound();
    tree.write(path, &format!("{OPENING}\n{}", function("drain", 81)));
    tree.shows("function-length", path, 3);
    let inside = format!("{OPENING}#[cfg(test)]\nmod tests {{\n{}}}\n", function("drain", 81));
    tree.write(path, &inside).is_sound();
    tree.remove(path).write("crates/apium-core/tests/it/queue.rs", &format!("{OPENING}{}", function("drain", 81)));
    tree.is_sound();
}

#[test]
fn folders_within_folders_are_found() {
    let tree = Planted::sound();
    tree.write("crates/apium-core/src/a/b/deep.rs", OPENING).is_sound();
    tree.write("crates/apium-core/src/a/b/c/deep.rs", OPENING);
    tree.shows("folder-depth", "crates/apium-core/src/a/b/c/deep.rs", 1);
}

#[test]
fn the_six_files_are_there_and_short_together() {
    let tree = Planted::sound();
    tree.remove(SIX[5]).shows("six-files", SIX[5], 1);

    let tree = Planted::sound();
    for path in [SIX[0], SIX[1], SIX[2]] {
        tree.write(path, &format!("{OPENING}{}", "\n".repeat(599)));
    }
    tree.write(SIX[5], &format!("{OPENING}{}", "\n".repeat(195))).is_sound();
    tree.write(SIX[5], &format!("{OPENING}{}", "\n".repeat(196)));
    tree.shows("six-files", SIX[0], 1);
}

#[test]
fn the_readme_names_the_six_files_in_reading_order() {
    let tree = Planted::sound();
    let mut order = SIX;
    order.swap(4, 5);
    tree.write("README.md", &order.join("\n")).shows("six-files", "README.md", 1);
    tree.remove("README.md").shows("six-files", "README.md", 1);
}

#[test]
fn the_loop_and_the_attempt_are_rows_of_verbs() {
    for (path, name) in [(SIX[3], "run"), (SIX[4], "attempt")] {
        let tree = Planted::sound();
        tree.write(path, &format!("{OPENING}{}", function(name, 80))).is_sound();
        tree.write(path, &format!("{OPENING}{}", function("elsewhere", 8)));
        tree.shows("row-of-verbs", path, 1);
        tree.write(path, &format!("{OPENING}{}", function(name, 81)));
        let rules: Vec<&str> = tree.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["function-length", "row-of-verbs"]);
    }
}

#[test]
fn the_map_is_there_and_fits_in_one_sitting() {
    let path = "docs/ARCHITECTURE.md";
    let mut map = String::new();
    for line in 1..=200 {
        writeln!(map, "line {line}").unwrap();
    }
    let tree = Planted::sound();
    tree.write(path, &map).is_sound();
    map.push_str("line 201\n");
    tree.write(path, &map).shows("map", path, 201);
    tree.remove(path).shows("map", path, 1);
}
