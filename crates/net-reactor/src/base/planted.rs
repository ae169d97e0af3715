//! Planted bugs: faults built in on purpose, to measure whether the tests would find them.
//!
//! A test suite that passes shows that nothing is wrong, or that nothing would be noticed. The
//! feature `_planted` tells the two apart: it compiles in the known ways to get a reactor wrong,
//! and [`plant`] makes one of them active for the whole process.
//!
//! Without the feature [`planted`] is a constant `false`, so each place where a bug is planted
//! compiles to nothing.

mod table;

#[cfg(feature = "_planted")]
pub use table::Bug;
#[cfg(not(feature = "_planted"))]
pub(crate) use table::Bug;

/// Whether `bug` is active.
#[cfg(not(feature = "_planted"))]
#[inline(always)]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "_planted")]
pub(crate) use active::planted;
#[cfg(feature = "_planted")]
pub use active::{UnknownBug, plant};

#[cfg(feature = "_planted")]
mod active {
    use std::error::Error;
    use std::fmt;
    use std::str::FromStr;
    #[cfg(test)]
    use std::sync::Once;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Bug;

    /// No bug is active.
    const NONE: usize = usize::MAX;

    /// The active bug, as a number. One for the process, because a simulation may use threads.
    static ACTIVE: AtomicUsize = AtomicUsize::new(NONE);

    /// Makes `bug` the active one, in every loop of the process; `None` makes all of it sound.
    pub fn plant(bug: Option<Bug>) {
        #[cfg(test)]
        read_environment();
        ACTIVE.store(bug.map_or(NONE, |bug| bug as usize), Ordering::SeqCst);
    }

    /// Whether `bug` is active.
    pub(crate) fn planted(bug: Bug) -> bool {
        #[cfg(test)]
        read_environment();
        ACTIVE.load(Ordering::Relaxed) == bug as usize
    }

    /// Plants what the variable `PLANTED` names, once: `PLANTED=lost-write-edge cargo test ...`
    /// shows which of the crate's own tests notice a bug.
    #[cfg(test)]
    fn read_environment() {
        static READ: Once = Once::new();
        READ.call_once(|| {
            if let Ok(name) = std::env::var("PLANTED") {
                let bug: Bug = name.parse().expect("PLANTED names a bug");
                ACTIVE.store(bug as usize, Ordering::SeqCst);
            }
        });
    }

    /// No planted bug has this name.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct UnknownBug {
        /// The name that was asked for.
        pub name: String,
    }

    impl fmt::Display for UnknownBug {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "there is no planted bug named {:?}", self.name)
        }
    }

    impl Error for UnknownBug {}

    impl FromStr for Bug {
        type Err = UnknownBug;

        fn from_str(name: &str) -> Result<Self, UnknownBug> {
            let known = Self::ALL.iter().copied().find(|bug| bug.name() == name);
            known.ok_or_else(|| UnknownBug { name: name.to_owned() })
        }
    }

    impl fmt::Display for Bug {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.pad(self.name())
        }
    }
}

#[cfg(all(test, feature = "_planted"))]
mod tests {
    use super::*;

    /// `LostReadEdge` becomes `lost-read-edge`.
    fn kebab(camel: &str) -> String {
        let mut kebab = String::new();
        for letter in camel.chars() {
            if letter.is_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.extend(letter.to_lowercase());
        }
        kebab
    }

    #[test]
    fn each_bug_is_found_by_its_name() {
        for bug in Bug::ALL {
            assert_eq!(bug.name(), kebab(&format!("{bug:?}")));
            assert_eq!(bug.name().parse(), Ok(*bug));
        }
        let error = "no-such-bug".parse::<Bug>().unwrap_err();
        assert_eq!(error.name, "no-such-bug");
    }

    #[test]
    fn each_bug_says_where_it_is_and_what_it_teaches() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for bug in Bug::ALL {
            assert!(!bug.lesson().is_empty(), "{bug}");
            let text = std::fs::read_to_string(sources.join(bug.place())).unwrap();
            assert!(text.contains(&format!("planted(Bug::{bug:?})")), "{bug}: {}", bug.place());
        }
    }
}
