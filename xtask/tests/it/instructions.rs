//! `cargo xtask instructions`: the bounds it reads and writes, and what it says of a figure that is beyond one.

use xtask::instructions::bounds::{Bounds, LIST, Verdict};

const TWO: &str = "# Bounds.\ncompiler = \"rustc 1.0\"\n\n# Kept.\n[stored]\nbound = 20000\ntolerance = 2\n\n\
                   [sent]\nbound = 9000\ntolerance = 1.5\n";

fn bounds(text: &str) -> Bounds {
    Bounds::read(text).unwrap()
}

#[test]
fn the_list_of_the_repository_can_be_read() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../", "bench/instructions.toml")).unwrap();
    let bounds = bounds(&text);
    assert!(bounds.compiler.starts_with("rustc ") && bounds.all.len() >= 4);
    let same = bounds.all.iter().map(|one| (one.path.as_str(), one.bound)).collect::<Vec<_>>();
    assert_eq!(Bounds::rewritten(&text, &bounds.compiler, &same), text, "written as it was read");
}

#[test]
fn a_figure_within_the_tolerance_is_good() {
    let bounds = bounds(TWO);
    let stored = bounds.of("stored").unwrap();
    for figure in [19_601.0, 20_000.0, 20_399.0] {
        assert_eq!(stored.judge(figure, "p.out"), Verdict::Good, "{figure}");
    }
    assert_eq!(bounds.of("nowhere"), None);
}

#[test]
fn a_figure_beyond_it_is_told_with_what_to_do() {
    let bounds = bounds(TWO);
    let judged = |figure| bounds.of("stored").unwrap().judge(figure, "target/p.out");
    let Verdict::More(said) = judged(21_000.0) else { panic!("more") };
    for part in ["`stored` takes 21000", "5.0 % more", "20000", "callgrind_annotate target/p.out", "say there why"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let Verdict::Fewer(said) = judged(15_000.0) else { panic!("fewer") };
    for part in ["25.0 % fewer", "Lower it", "cargo xtask instructions stored --write"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn new_bounds_are_written_where_the_old_ones_stood() {
    let text = Bounds::rewritten(TWO, "rustc 2.0", &[("stored", 18_000.4)]);
    assert_eq!(text, TWO.replace("rustc 1.0", "rustc 2.0").replace("20000", "18000"));
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    for (bad, what) in [
        ("bound = 1", "`bound` is not known here"),
        ("[stored]\nnonsense", "a line is `key = value`"),
        ("[stored]\nbound = -1", "a bound is a number above 0"),
        ("[stored]\ncolour = 1", "`colour` is not known here"),
    ] {
        let sentence = Bounds::read(bad).unwrap_err().sentence;
        let line = bad.lines().count();
        assert!(sentence.starts_with(&format!("{LIST}:{line}: ")) && sentence.contains(what), "{sentence}");
    }
    let sentence = Bounds::read("[stored]\nbound = 1").unwrap_err().sentence;
    assert!(sentence.contains("[stored] needs a `bound` and a `tolerance`"), "{sentence}");
}
