#![no_main]
//! Manifests: whatever the bytes are, parsing ends with a manifest that can be written and read again, or with a
//! report that its author can use.

use libfuzzer_sys::fuzz_target;
use tenon::registry::manifest::{Manifest, ManifestErrors};

/// How many problems a report lists.
const LISTED_MAX: usize = 100;

/// How long one problem may be, however long what stands in the manifest is.
const PROBLEM_BYTES_MAX: usize = 32 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let parsed = Manifest::parse(bytes);
    assert_eq!(parsed, Manifest::parse(bytes), "the same text, read twice");
    match parsed {
        Ok(manifest) => comes_back(&manifest),
        Err(errors) => is_a_report(&errors),
    }
});

fn comes_back(manifest: &Manifest) {
    let text = serde_json::to_vec(manifest).expect("a manifest can be written");
    match Manifest::parse(&text) {
        Ok(again) => assert_eq!(again, *manifest),
        Err(errors) => panic!("written as\n{}\nand then refused: {errors}", String::from_utf8_lossy(&text)),
    }
}

fn is_a_report(errors: &ManifestErrors) {
    assert!((1..=LISTED_MAX).contains(&errors.problems.len()));
    assert!(errors.unlisted == 0 || errors.problems.len() == LISTED_MAX);
    for problem in &errors.problems {
        let path = problem.path.to_string();
        let below = path.strip_prefix('$').unwrap_or_else(|| panic!("{path} is no place in the document"));
        assert!(below.is_empty() || below.starts_with(['.', '[']), "{path}");
        for part in [&problem.found, &problem.expected, &problem.fix] {
            assert!(!part.is_empty(), "{problem}");
        }
        let length = problem.to_string().len();
        assert!(length <= PROBLEM_BYTES_MAX, "{length} bytes: {problem}");
    }
    assert!(errors.to_string().starts_with("the manifest has "));
}
