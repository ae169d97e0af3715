//! Replays the corpora of `fuzz/`, and some thousand changes of them.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails says what with")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use reactor_fuzz_targets::{TARGETS, Target};

/// Changed inputs for each target.
const MUTANTS: usize = 2000;

/// A changed input is no longer than this.
const INPUT_BYTES_MAX: usize = 1024;

/// Bytes that mean something to one codec or another.
const TELLING: &[u8] = b"\0\x01\x03\x7f\x80\xff\n\r\n;:,-019a";

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Returns the inputs of a target, in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("corpus").join(target.name);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a target; prints what it failed with.
fn run(target: &Target, input: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        println!("{}, {what}: b\"{}\"", target.name, input.escape_ascii());
        resume_unwind(panic);
    }
}

#[test]
fn every_target_keeps_its_promises_for_its_corpus() {
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(corpus.len() >= 4, "{} has a corpus of {}", target.name, corpus.len());
        for (index, input) in corpus.iter().enumerate() {
            run(target, input, &format!("input {index}"));
        }
    }
}

#[test]
fn every_target_keeps_its_promises_for_changes_of_its_corpus() {
    for target in TARGETS {
        let corpus = corpus(target);
        let mut mutator = Mutator { state: 0x2545_f491_4f6c_dd1d };
        for number in 0..MUTANTS {
            let input = mutator.mutant(&corpus);
            run(target, &input, &format!("mutant {number}"));
        }
    }
}

#[test]
fn every_target_is_one_of_the_fuzzer_and_has_a_file() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        assert!(manifest.contains(&format!("path = \"{path}\"")), "the manifest lacks {path}");
        let text = fs::read_to_string(fuzz_folder().join(&path)).unwrap();
        assert!(text.contains(&format!("named(\"{}\")", target.name)), "{path} runs another");
    }
    let files = fs::read_dir(fuzz_folder().join("fuzz_targets")).unwrap().count();
    assert_eq!(files, TARGETS.len());
}

/// Changes inputs at random, the same way in every run.
struct Mutator {
    state: u64,
}

impl Mutator {
    /// Returns an input with one to four changes.
    fn mutant(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below(input.len() + 1 - at);
        match self.below(7) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = TELLING[self.below(TELLING.len())],
            2 => input.insert(at, TELLING[self.below(TELLING.len())]),
            3 => drop(input.drain(at..end)),
            4 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            5 => input.truncate(at),
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
        }
    }

    fn below(&mut self, end: usize) -> usize {
        // Marsaglia's xorshift.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 32).unwrap() % end.max(1)
    }
}
