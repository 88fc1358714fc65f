//! Links between pages: every relative one leads to a file that is there, and to a heading in it. Pages that are named in
//! code, as in an error message, are there too.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::common::repository;

/// All files below the repository with these endings, without what is built or fetched, by path from its root.
fn files(endings: &[&str]) -> BTreeMap<PathBuf, String> {
    let (mut found, mut left) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(repository().join(&directory)).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let path = directory.join(&name);
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !name.starts_with('.') && !["target", "node_modules", "corpus"].contains(&&*name) {
                left.push(path);
            } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                found.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    found
}

/// The text outside blocks and spans of code.
fn prose(page: &str) -> String {
    let mut prose = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}

/// What a page links to.
fn targets(page: &str) -> Vec<String> {
    let prose = prose(page);
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let by_name = prose.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    let all = inline.chain(by_name.map(|(_, target)| target.trim()));
    let is_elsewhere = |target: &&str| target.contains("://") || target.starts_with("mailto:");
    all.filter(|target| !is_elsewhere(target)).map(str::to_owned).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let (mut anchors, mut seen) = (Vec::new(), HashMap::<String, usize>::new());
    let mut in_block = false;
    for line in page.lines() {
        in_block ^= line.trim_start().starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !in_block) else { continue };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

/// Why a link leads nowhere.
fn broken(pages: &BTreeMap<PathBuf, String>, from: &Path, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let to = if path.is_empty() { from.to_owned() } else { plain(&from.parent().unwrap().join(path)) };
    if !repository().join(&to).exists() && !pages.contains_key(&to) {
        return Some(format!("{}: there is no {target}", from.display()));
    }
    let anchor = anchor?;
    let page = pages.get(&to).map(String::as_str).unwrap_or_default();
    (!anchors(page).iter().any(|known| known == anchor))
        .then(|| format!("{}: {} has no heading for #{anchor}", from.display(), to.display()))
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let pages = files(&[".md"]);
    let links = pages.iter().flat_map(|(from, page)| targets(page).into_iter().map(move |target| (from, target)));
    let links: Vec<_> = links.collect();
    assert!(links.len() > 100, "they are found: {}", links.len());
    let broken: Vec<_> = links.iter().filter_map(|(from, target)| broken(&pages, from, target)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_that_code_names_is_there() {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let mut named = 0;
    for (file, text) in files(&[".rs", ".toml", ".sql", ".wit", "justfile"]) {
        for rest in text.split("docs/").skip(1) {
            let path = rest.split(|c| !is_name(c)).next().unwrap_or_default().trim_end_matches('.');
            if path.ends_with(".md") {
                named += 1;
                assert!(repository().join("docs").join(path).exists(), "{} names docs/{path}", file.display());
            }
        }
    }
    assert!(named > 3, "they are found: {named}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page =
        "# One `two`, three\n## A\n## A\n```\n# none\n[x](gone.md)\n```\n`[y](gone.md)` [z](#a-1) [w]\n\n[w]: b.md#a";
    assert_eq!(anchors(page), ["one-two-three", "a", "a-1"]);
    assert_eq!(targets(page), ["#a-1", "b.md#a"]);
    let pages = BTreeMap::from([(PathBuf::from("notes/a.md"), page.to_owned())]);
    let told = |target: &str| broken(&pages, Path::new("notes/a.md"), target);
    assert_eq!((told("#a-1"), told("../notes/a.md#a"), told("../README.md")), (None, None, None));
    assert_eq!(told("gone.md").unwrap(), "notes/a.md: there is no gone.md");
    assert_eq!(told("#gone").unwrap(), "notes/a.md: notes/a.md has no heading for #gone");
}
