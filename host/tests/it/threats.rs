//! The page of threats names for each attack the test that shows what happens. Those tests are there.

use std::path::Path;

use crate::common::repository;

/// The last cell of each row of the page's tables: tests, by file or by name.
fn named(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    // Every second part is between backquotes.
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A file of the host's tests or of its source, or a folder, with or without its ending.
fn is_there(name: &str) -> bool {
    let host = repository().join("host");
    let path = if name.starts_with("src/") { host.join(name) } else { host.join("tests").join(name) };
    path.exists() || path.with_extension("rs").exists()
}

/// Whether a test of this name stands anywhere below.
fn is_test(directory: &Path, name: &str) -> bool {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => is_test(&path, name),
        false => std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("fn {name}("))),
    })
}

#[test]
fn every_test_that_the_page_of_threats_names_is_there() {
    let page = std::fs::read_to_string(repository().join("docs/security.md")).unwrap();
    // Behind them stand figures of runs.
    let named = named(page.split("\n## Figures").next().unwrap());
    assert!(named.len() > 60, "{named:?}");
    let host = repository().join("host");
    for name in named {
        if name.contains('/') {
            assert!(is_there(&name), "{name} is not there");
        } else if name.contains('_') {
            assert!(
                is_test(&host.join("src"), &name) || is_test(&host.join("tests"), &name),
                "no test is called {name}"
            );
        }
    }
}
