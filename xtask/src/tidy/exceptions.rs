//! Where the house knowingly breaks its own rule: one line each, with its reason, and none that is idle.

use super::{Finding, tree::Tree};

const FILE: &str = "xtask/tidy-exceptions.txt";
const EXCEPTION: &str = "exception";

/// One line of the file: `rule path reason`.
struct Exception<'a> {
    rule: &'a str,
    path: &'a str,
    line: usize,
}

/// Takes away the findings that are excepted; adds one for each line that is malformed or excepts nothing.
pub(super) fn apply(tree: &Tree, rules: &[&str], found: Vec<Finding>) -> Vec<Finding> {
    let text = tree.file(FILE).map_or("", |file| file.text.as_str());
    let (exceptions, mut complaints) = read(text, rules);
    for exception in &exceptions {
        if !found.iter().any(|finding| exception.covers(finding)) {
            complaints.push(complaint(exception.line, "excepts nothing any more; delete the line."));
        }
    }
    let rest = found.into_iter().filter(|finding| !exceptions.iter().any(|exception| exception.covers(finding)));
    complaints.extend(rest);
    complaints
}

impl Exception<'_> {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.path == finding.path
    }
}

fn read<'a>(text: &'a str, rules: &[&str]) -> (Vec<Exception<'a>>, Vec<Finding>) {
    let mut exceptions = Vec::new();
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (rule, path) = (words.next(), words.next());
        match (rule, path, words.count()) {
            (Some(rule), _, _) if !rules.contains(&rule) => complaints
                .push(complaint(line_number, &format!("`{rule}` is no rule; the rules are {}.", rules.join(", ")))),
            (Some(rule), Some(path), 3..) => exceptions.push(Exception { rule, path, line: line_number }),
            _ => complaints
                .push(complaint(line_number, "an exception is `rule path reason`, and its reason is a sentence.")),
        }
    }
    (exceptions, complaints)
}

fn complaint(line: usize, sentence: &str) -> Finding {
    Finding::new(EXCEPTION, FILE, line, sentence)
}
