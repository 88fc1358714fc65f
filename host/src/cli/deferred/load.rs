//! Reads a WIT package and the packages it uses, leaving generated views aside.

use std::path::{Path, PathBuf};

use wit_parser::{PackageId, PackageName, Resolve, SourceMap, UnresolvedPackageGroup};

use super::{DeferredError, SUFFIX, io};

/// Resolves the package in `dir`.
pub(super) fn package(dir: &Path) -> Result<(Resolve, PackageId), DeferredError> {
    let main = parse(dir, sources(dir)?)?.ok_or_else(|| DeferredError::Empty { dir: dir.to_owned() })?;
    let used = used_packages(dir, &main)?;
    let mut resolve = Resolve::default();
    match resolve.push_groups(main, used) {
        Ok(id) => Ok((resolve, id)),
        Err(error) => Err(DeferredError::Wit { dir: dir.to_owned(), problem: error.render(&resolve.source_map) }),
    }
}

/// The `.wit` files of a directory by name, generated ones included.
pub(super) fn wit_files(dir: &Path) -> Result<Vec<PathBuf>, DeferredError> {
    let mut files = entries(dir)?;
    files.retain(|path| path.extension().is_some_and(|end| end == "wit") && path.is_file());
    Ok(files)
}

/// The last part of a path; empty where it is not text.
pub(super) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What `main` uses, directly or not, from `deps` and from the directories beside it. Nothing is read there
/// when it uses nothing.
fn used_packages(dir: &Path, main: &UnresolvedPackageGroup) -> Result<Vec<UnresolvedPackageGroup>, DeferredError> {
    let mut wanted: Vec<PackageName> = main.main.foreign_deps.keys().cloned().collect();
    let mut used = Vec::new();
    if wanted.is_empty() {
        return Ok(used);
    }
    let mut there = candidates(dir)?;
    while let Some(name) = wanted.pop() {
        // A name that is found nowhere is left to the resolver, which shows where it is used.
        if let Some(found) = there.iter().position(|group| group.main.name == name) {
            let group = there.swap_remove(found);
            wanted.extend(group.main.foreign_deps.keys().cloned());
            used.push(group);
        }
    }
    Ok(used)
}

fn candidates(dir: &Path) -> Result<Vec<UnresolvedPackageGroup>, DeferredError> {
    let own = std::path::absolute(dir).map_err(|source| io("find", dir, source))?;
    let deps = own.join("deps");
    let mut paths = if deps.is_dir() { entries(&deps)? } else { Vec::new() };
    if let Some(parent) = own.parent() {
        paths.extend(entries(parent)?.into_iter().filter(|path| *path != own && path.is_dir()));
    }
    let mut groups = Vec::new();
    for path in paths {
        let files = if path.is_dir() { sources(&path)? } else { vec![path.clone()] };
        groups.extend(parse(&path, files)?);
    }
    Ok(groups)
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>, DeferredError> {
    let mut files = wit_files(dir)?;
    files.retain(|path| !file_name(path).ends_with(SUFFIX));
    Ok(files)
}

/// None when there is no file to parse.
fn parse(dir: &Path, files: Vec<PathBuf>) -> Result<Option<UnresolvedPackageGroup>, DeferredError> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut map = SourceMap::default();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|source| io("read", &path, source))?;
        map.push(&path, text);
    }
    map.parse()
        .map(Some)
        .map_err(|(map, error)| DeferredError::Wit { dir: dir.to_owned(), problem: error.render(&map) })
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, DeferredError> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = std::fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    list().map_err(|source| io("read", dir, source))
}
