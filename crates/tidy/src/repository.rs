//! The files of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// One file of the repository, loaded.
#[derive(Debug)]
pub struct TrackedFile {
    path: String,
    bytes: u64,
    text: Option<String>,
}

impl TrackedFile {
    /// The path from the root, with forward slashes.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The size on disk, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The content, or `None` when it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether the path ends in the given extension, written without its dot.
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// The files that are, or would be, under version control.
#[derive(Debug)]
pub struct Repository {
    files: Vec<TrackedFile>,
}

impl Repository {
    /// Loads the repository that holds this crate.
    ///
    /// # Errors
    ///
    /// Fails when a file that was listed cannot be read.
    pub fn open() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let paths = match listed_by_git(&root) {
            Some(paths) => paths,
            None => found_by_walking(&root)?,
        };
        Self::load(&root, paths)
    }

    fn load(root: &Path, paths: BTreeSet<String>) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let absolute = root.join(&path);
            // Git still lists what was deleted but not committed.
            if !absolute.is_file() {
                continue;
            }
            let content = fs::read(&absolute)?;
            let bytes = content.len() as u64;
            files.push(TrackedFile { path, bytes, text: String::from_utf8(content).ok() });
        }
        Ok(Self { files })
    }

    /// Every file, in path order.
    pub fn files(&self) -> &[TrackedFile] {
        &self.files
    }

    /// The text of the file at this path, or `None` when there is no such text file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.text()
    }

    /// The names of the folders directly below `folder` that hold a file.
    pub fn folders_in(&self, folder: &str) -> BTreeSet<&str> {
        self.files
            .iter()
            .filter_map(|file| file.path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/'))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Tracked files, and untracked ones that are not ignored; `None` without git or outside a checkout.
fn listed_by_git(root: &Path) -> Option<BTreeSet<String>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let listing = String::from_utf8(output.stdout).ok()?;
    let paths: BTreeSet<String> =
        listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

/// Every file below the root except build output and git's own.
fn found_by_walking(root: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_file() {
                found.insert(path.to_string_lossy().replace('\\', "/"));
            } else if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git"
            {
                folders.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_walk_finds_sources_and_skips_build_output() {
        let found = found_by_walking(&root()).expect("the repository is readable");
        assert!(found.contains("crates/tidy/src/repository.rs"));
        assert!(!found.iter().any(|path| path.starts_with("target/")));
        assert!(!found.iter().any(|path| path.starts_with(".git/")));
    }

    #[test]
    fn a_deleted_file_is_left_out() {
        let paths = BTreeSet::from(["Cargo.toml".to_owned(), "no-such-file".to_owned()]);
        let repository = Repository::load(&root(), paths).expect("the manifest is readable");
        assert_eq!(repository.files().len(), 1);
        assert!(repository.text("Cargo.toml").is_some());
        assert!(repository.text("no-such-file").is_none());
    }

    #[test]
    fn folders_are_named_once() {
        let paths = BTreeSet::from([
            "crates/tidy/src/lib.rs".to_owned(),
            "crates/tidy/src/checks/mod.rs".to_owned(),
            "crates/tidy/src/checks/links.rs".to_owned(),
        ]);
        let repository = Repository::load(&root(), paths).expect("the sources are readable");
        assert_eq!(repository.folders_in("crates/tidy/src"), BTreeSet::from(["checks"]));
    }
}
