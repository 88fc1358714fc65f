//! `tenon schema` and `tenon deferred`: what is generated and checked in.

use std::path::PathBuf;

use serde_json::Value;

use crate::common::{Scratch, output, repository};

#[tokio::test]
async fn the_schema_names_every_part_of_a_manifest() {
    let scratch = Scratch::with_plugins(&[]);
    let printed = output(scratch.tenon(&["schema"])).await.success();
    let schema: Value = serde_json::from_str(&printed).unwrap();
    assert!(schema["$schema"].as_str().is_some_and(|dialect| dialect.contains("json-schema.org")), "{printed}");
    let properties = schema["properties"].as_object().unwrap();
    for name in [
        "id",
        "name",
        "version",
        "description",
        "category",
        "author",
        "license",
        "keywords",
        "icon",
        "homepage",
        "config",
        "permissions",
        "hooks",
        "publishes",
        "endpoints",
        "services",
        "dependencies",
        "frontend",
    ] {
        assert!(properties.contains_key(name), "{name} is missing: {:?}", properties.keys());
    }
}

#[tokio::test]
async fn the_schema_is_the_one_that_is_checked_in() {
    let scratch = Scratch::with_plugins(&[]);
    let printed = output(scratch.tenon(&["schema"])).await.success();
    let file = repository().join("docs/manifest.schema.json");
    // Where none is checked in, there is none to drift; CI generates it and compares.
    let Ok(kept) = std::fs::read_to_string(&file) else { return };
    assert!(kept == printed, "{} is not what `tenon schema` prints: run `cargo just generate`", file.display());
}

#[tokio::test]
async fn the_page_of_commands_is_the_one_that_is_checked_in() {
    let scratch = Scratch::with_plugins(&[]);
    let printed = output(scratch.tenon(&["help-page"])).await.success();
    let file = repository().join("docs/cli.md");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept == printed, "{} is not what `tenon help-page` prints: run `cargo just generate`", file.display());
}

/// A copy of a service's WIT package and of those it uses.
fn copied(scratch: &Scratch, packages: &[&str]) -> PathBuf {
    for package in packages {
        let copy = scratch.path("wit").join(package);
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(repository().join("wit").join(package)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    scratch.path("wit")
}

#[tokio::test]
async fn the_deferred_views_that_are_checked_in_are_up_to_date() {
    let scratch = Scratch::with_plugins(&[]);
    let mut command = scratch.tenon(&["deferred", "--check"]);
    command
        .args(["crm-contacts", "crm-deals", "analytics-reports"].map(|package| repository().join("wit").join(package)));
    assert_eq!(output(command).await.success(), "");
}

#[tokio::test]
async fn a_deferred_view_that_is_not_up_to_date_is_named_and_written_again() {
    let scratch = Scratch::with_plugins(&[]);
    let wit = copied(&scratch, &["crm-deals", "wasi-io"]);
    let view = wit.join("crm-deals/deals-deferred.wit");
    let original = std::fs::read_to_string(&view).unwrap();
    for broken in [Some("package crm:deals@1.0.0;\n"), None] {
        match broken {
            Some(text) => std::fs::write(&view, text).unwrap(),
            None => std::fs::remove_file(&view).unwrap(),
        }
        let told = output(scratch.tenon(&["deferred", "--check", "wit/crm-deals"])).await.failure();
        assert!(told.contains("wit/crm-deals/deals-deferred.wit") && told.contains("tenon deferred"), "{told}");
        assert_eq!(std::fs::read_to_string(&view).ok().as_deref(), broken, "a check writes nothing");
        let wrote = output(scratch.tenon(&["deferred", "wit/crm-deals"])).await.success();
        assert!(wrote.contains("wit/crm-deals/deals-deferred.wit"), "{wrote}");
        assert_eq!(std::fs::read_to_string(&view).unwrap(), original);
    }
}

#[tokio::test]
async fn a_directory_without_wit_is_named() {
    let scratch = Scratch::with_plugins(&[]);
    for directory in ["plugins", "no-such-directory"] {
        let told = output(scratch.tenon(&["deferred", "--check", directory])).await.failure();
        assert!(told.contains(directory), "{told}");
    }
}
