//! The written list of differences between the kernels.

use super::folder;
use super::source::Case;

const KERNELS: [&str; 3] = ["native", "memory", "rough"];

/// What is to be seen on some kernels instead of what the script expects, and why.
#[derive(Debug)]
struct Difference {
    script: String,
    kernels: Vec<String>,
    reason: String,
    lines: Vec<(String, String)>,
}

/// The list in `differences.txt`.
#[derive(Debug, Default)]
pub(super) struct Differences(Vec<Difference>);

impl Differences {
    pub(super) fn read() -> Self {
        Self::parse(&std::fs::read_to_string(folder().join("differences.txt")).unwrap())
    }

    /// An entry is `== script on kernel, kernel`, its reason, and indented lines of actors.
    pub(super) fn parse(text: &str) -> Self {
        let mut list: Vec<Difference> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix("== ") {
                let (script, kernels) = head.rsplit_once(" on ").unwrap();
                list.push(Difference {
                    script: script.to_owned(),
                    kernels: kernels.split(", ").map(str::to_owned).collect(),
                    reason: String::new(),
                    lines: Vec::new(),
                });
                continue;
            }
            let entry = list.last_mut().unwrap();
            match line.strip_prefix("  ") {
                Some(line) => {
                    let (actor, saw) = line.split_once(": ").unwrap();
                    entry.lines.push((actor.to_owned(), saw.to_owned()));
                }
                None => entry.reason.push_str(line),
            }
        }
        Self(list)
    }

    /// What one kernel is to show of a script instead of what the script expects.
    pub(super) fn of<'a>(
        &'a self,
        script: &'a str,
        kernel: &'a str,
    ) -> impl Iterator<Item = &'a (String, String)> {
        let fits = move |entry: &&Difference| {
            entry.script == script && entry.kernels.iter().any(|known| known == kernel)
        };
        self.0.iter().filter(fits).flat_map(|entry| &entry.lines)
    }

    /// Every entry names a script and kernels that exist, gives a reason, and changes something.
    pub(super) fn check(&self, cases: &[Case]) {
        for entry in &self.0 {
            assert!(
                cases.iter().any(|case| case.name == entry.script),
                "no such script: {entry:?}"
            );
            let known = entry.kernels.iter().all(|kernel| KERNELS.contains(&kernel.as_str()));
            assert!(known, "no such kernel: {entry:?}");
            assert!(entry.reason.len() > 20, "no reason: {entry:?}");
            assert!(!entry.lines.is_empty(), "no difference: {entry:?}");
        }
    }
}

#[test]
fn an_entry_replaces_the_lines_of_some_actors_on_some_kernels() {
    let list =
        Differences::parse("# head\n\n== a [b] on memory, rough\nbecause\n  p1: \"x\" | end\n");
    assert_eq!(list.of("a [b]", "rough").count(), 1);
    assert_eq!(list.of("a [b]", "native").count(), 0);
    assert_eq!(list.of("a", "rough").count(), 0);
}
