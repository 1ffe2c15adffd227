//! A page never sends its reader to a file that is not there.

use std::path::{Component, Path, PathBuf};

use super::{Finding, tree::Tree};

pub(super) const LINK: &str = "link";

/// Every relative link of every Markdown page leads to a file or folder.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in tree.files.iter().filter(|file| file.has_ending("md")) {
        for (line, target) in targets(&page.text) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let leads = path.is_empty()
                || is_elsewhere(target)
                || resolve(&page.path, path).is_some_and(|file| tree.exists(&file));
            if !leads {
                let sentence = format!("the link to `{target}` leads nowhere.");
                findings.push(Finding::new(LINK, &page.path, line, sentence));
            }
        }
    }
    findings
}

/// What the page links to, `[text](target)` and `[name]: target`, outside code; with the line, from 1.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        let inline = line.match_indices("](").filter_map(|(at, mark)| {
            let quoted = line[..at].matches('`').count() % 2 == 1 && line[at..].contains('`');
            let rest = &line[at + mark.len()..];
            (!quoted).then(|| rest.split(')').next().unwrap_or_default())
        });
        let reference = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
        for target in inline.chain(reference) {
            // A title may follow the target: `[a](b.md "title")`.
            let target = target.split_whitespace().next().unwrap_or_default();
            found.push((index + 1, target.trim_matches(['<', '>'])));
        }
    }
    found
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// The path a link of `page` means, from the repository's top; nothing if it leaves the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let start = match target.strip_prefix('/') {
        Some(from_top) => PathBuf::from(from_top),
        None => Path::new(page).parent()?.join(target),
    };
    let mut parts: Vec<String> = Vec::new();
    for part in start.components() {
        match part {
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    Some(parts.join("/"))
}
