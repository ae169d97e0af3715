//! Checks on the repository itself, run as tests.
//!
//! What the compiler and clippy cannot see - that a lower layer does not reach up, that a link in a
//! document leads somewhere, that nobody left a mark for later - is a function here. Each check takes
//! a path and a text and returns what it found, so each has a unit test that feeds it something bad;
//! `tests/repository.rs` then runs all of them over the files git knows.
//!
//! A limit that something already breaks is not lifted: the offender is named in a debt list with
//! its reason, may not grow, and has to leave the list once it is back under the limit.

#![forbid(unsafe_code)]

pub mod checks;
mod finding;
mod markdown;
mod repository;
mod source;

pub use finding::{Finding, Severity};
pub use repository::{Repository, TrackedFile};
