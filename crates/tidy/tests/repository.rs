//! Runs every check over the repository.

use std::collections::BTreeSet;

use tidy::checks::{
    architecture, blobs, commented_code, examples_index, file_length, headings, layers, links,
    machine_paths, marks, msrv, named_tests, seed_tests, sleeps,
};
use tidy::{Finding, Repository, Severity, TrackedFile};

fn open() -> Repository {
    Repository::open().expect("every listed file can be read")
}

/// Prints what was found and fails on an error.
fn report(findings: &[Finding]) {
    for finding in findings {
        let kind = if finding.severity() == Severity::Error { "error" } else { "warning" };
        eprintln!("{kind}: {finding}");
    }
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error).count();
    assert!(errors == 0, "{errors} errors, printed above");
}

/// Runs a check over the text files that `wanted` picks.
fn report_on_texts(
    wanted: impl Fn(&TrackedFile) -> bool,
    check: impl Fn(&str, &str) -> Vec<Finding>,
) {
    let repository = open();
    let files = repository.files().iter().filter(|file| wanted(file));
    let texts = files.filter_map(|file| Some((file.path(), file.text()?)));
    let findings: Vec<Finding> = texts.flat_map(|(path, text)| check(path, text)).collect();
    report(&findings);
}

fn is_rust(file: &TrackedFile) -> bool {
    file.has_extension("rs")
}

fn is_markdown(file: &TrackedFile) -> bool {
    file.has_extension("md")
}

/// What a person writes and a machine runs.
fn is_source(file: &TrackedFile) -> bool {
    is_rust(file)
        || file.has_extension("toml")
        || file.has_extension("sh")
        || matches!(file.path(), "check" | ".ci/run")
}

/// The text of a document that has to exist.
fn document<'a>(repository: &'a Repository, path: &str) -> &'a str {
    repository.text(path).unwrap_or_else(|| panic!("{path} is missing"))
}

#[test]
fn layers_use_only_what_is_below_them() {
    report_on_texts(is_rust, layers::check);
}

#[test]
fn files_stay_short() {
    report_on_texts(is_rust, file_length::check);
    let repository = open();
    let paths: Vec<&str> = repository.files().iter().map(TrackedFile::path).collect();
    report(&file_length::check_debt_list(&paths));
}

#[test]
fn nothing_is_marked_for_later() {
    report_on_texts(is_source, marks::check);
}

#[test]
fn comments_hold_no_code() {
    report_on_texts(is_rust, commented_code::check);
}

#[test]
fn tests_do_not_sleep() {
    report_on_texts(is_rust, sleeps::check);
}

#[test]
fn documents_have_one_title() {
    report_on_texts(is_markdown, headings::check);
}

#[test]
fn no_path_of_one_machine() {
    report_on_texts(|_| true, machine_paths::check);
}

#[test]
fn no_large_files() {
    let repository = open();
    let files = repository.files().iter();
    let findings: Vec<Finding> =
        files.flat_map(|file| blobs::check(file.path(), file.bytes())).collect();
    report(&findings);
}

#[test]
fn links_lead_somewhere() {
    let repository = open();
    let texts: Vec<(&str, &str)> = repository
        .files()
        .iter()
        .map(|file| (file.path(), file.text().unwrap_or_default()))
        .collect();
    let text_of = |wanted: &str| {
        let file = texts.iter().find(|(path, _)| *path == wanted).map(|(_, text)| *text);
        let folder = format!("{wanted}/");
        let is_folder = texts.iter().any(|(path, _)| path.starts_with(&folder));
        file.or_else(|| is_folder.then_some(""))
    };
    let documents = texts.iter().filter(|(path, _)| path.ends_with(".md"));
    let findings: Vec<Finding> =
        documents.flat_map(|(path, text)| links::check(path, text, text_of)).collect();
    report(&findings);
}

#[test]
fn tests_that_documents_name_exist() {
    let repository = open();
    let documents = repository.files().iter().filter(|file| is_markdown(file));
    let findings: Vec<Finding> = documents
        .filter_map(|file| Some((file.path(), file.text()?)))
        .flat_map(|(path, text)| named_tests::check(path, text, |wanted| repository.text(wanted)))
        .collect();
    report(&findings);
}

#[test]
fn each_test_of_the_seeds_has_its_row() {
    let repository = open();
    let path = "docs/seed-tests.md";
    report(&seed_tests::check(path, document(&repository, path)));
}

#[test]
fn the_architecture_names_every_crate_and_layer() {
    let repository = open();
    let mut names: BTreeSet<&str> = repository.folders_in("crates");
    names.insert("examples");
    names.extend(repository.folders_in(layers::SOURCE_ROOT.trim_end_matches('/')));
    let names: Vec<&str> = names.into_iter().collect();
    let text = document(&repository, "ARCHITECTURE.md");
    report(&architecture::check("ARCHITECTURE.md", text, &names));
}

#[test]
fn the_curriculum_lists_every_example() {
    let repository = open();
    let programs: Vec<&str> = repository
        .files()
        .iter()
        .map(TrackedFile::path)
        .filter(|path| path.starts_with(examples_index::PROGRAMS))
        .collect();
    let text = document(&repository, "examples/README.md");
    report(&examples_index::check("examples/README.md", text, &programs));
}

#[test]
fn documents_state_the_manifests_rust_version() {
    let repository = open();
    let manifest = document(&repository, "Cargo.toml");
    for path in ["README.md", "CONTRIBUTING.md"] {
        report(&msrv::check(path, document(&repository, path), manifest));
    }
}
