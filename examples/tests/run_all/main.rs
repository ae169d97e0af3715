//! Runs every example and compares what it prints with what its header promises.
//!
//! The header of `src/bin/NN_name.rs` holds one `//! expect: ` line for each line of output, in
//! order; `pattern.rs` says what may stand in for values that differ from run to run. The program
//! gets no input, has a minute, and has to exit with success.

mod pattern;
mod program;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use program::Ending;

/// Far more than any example needs: what is still running then is stuck.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_example_prints_what_it_promises() {
    let examples = find_examples().expect("the folder of examples is readable");
    assert!(!examples.is_empty(), "there are no examples in src/bin");
    let mut failures = Vec::new();
    for (name, source) in &examples {
        match run_one(name, source) {
            Ok(lines) => println!("{name}: ok, {lines} lines as promised"),
            Err(problem) => failures.push(format!("{name}: {problem}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one example and returns how many lines it printed.
fn run_one(name: &str, source: &Path) -> Result<usize, String> {
    let text = fs::read_to_string(source).map_err(|error| error.to_string())?;
    let expected = pattern::expected_lines(&text);
    if expected.is_empty() {
        return Err("its header has no `//! expect: ` line".to_owned());
    }
    let binary = binary(name)?;
    let run =
        program::run(&binary, TIME_LIMIT).map_err(|error| format!("cannot start: {error}"))?;
    let problem = match run.ending {
        Ending::Success => pattern::first_difference(&expected, &run.stdout),
        Ending::Failure(status) => Some(format!("ended with {status}")),
        Ending::TimedOut => Some(format!("was stopped after {} s", TIME_LIMIT.as_secs())),
    };
    match problem {
        None => Ok(expected.len()),
        Some(problem) => Err(format!(
            "{problem}\n--- it printed\n{}--- and to standard error\n{}",
            run.stdout, run.stderr
        )),
    }
}

/// The examples by name, each with its main source file: `name.rs` or `name/main.rs`.
fn find_examples() -> io::Result<Vec<(String, PathBuf)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let nested = path.join("main.rs");
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((name, path));
        } else if nested.is_file() {
            found.push((name, nested));
        }
    }
    found.sort();
    Ok(found)
}

/// The compiled example: Cargo builds it for this test and puts it one folder above.
fn binary(name: &str) -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.ancestors().nth(2).ok_or("the test runs from an unexpected place")?;
    let binary = folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if binary.is_file() { Ok(binary) } else { Err("it was not built".to_owned()) }
}
