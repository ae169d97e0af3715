//! Script files: sections, tables, expectations.

use std::collections::BTreeMap;

use super::words::{Complaint, split};

/// What every actor saw: one line for each.
pub(super) type Seen = BTreeMap<String, String>;

/// One section of a file: `== name`, tables, lines, and what is expected of it.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: String,
    /// The text of it as far as a person wrote it.
    written: Vec<String>,
    tables: Vec<(String, Vec<String>)>,
    lines: Vec<String>,
    /// What is expected of the cases with these labels.
    expected: Vec<(Vec<String>, Seen)>,
}

/// A section with one value of each of its tables.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The values, or nothing without tables.
    pub(super) label: String,
    pub(super) name: String,
    pub(super) lines: Vec<String>,
    pub(super) expected: Option<Seen>,
}

/// Reads a file; what stands before its first section is its header.
pub(super) fn sections(text: &str) -> Result<(String, Vec<Section>), Complaint> {
    let mut header = String::new();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            sections.push(Section::new(name.trim(), line));
        } else if let Some(section) = sections.last_mut() {
            section.read(line)?;
        } else {
            header.push_str(line);
            header.push('\n');
        }
    }
    Ok((header, sections))
}

/// Writes a file with the given expectations, which are those of each section's cases in order.
pub(super) fn rewritten(header: &str, sections: &[(Section, Vec<Seen>)]) -> String {
    let mut text = header.to_owned();
    for (section, seen) in sections {
        section.write(seen, &mut text);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

impl Section {
    fn new(name: &str, line: &str) -> Self {
        Self {
            name: name.to_owned(),
            written: vec![line.to_owned()],
            tables: Vec::new(),
            lines: Vec::new(),
            expected: Vec::new(),
        }
    }

    fn read(&mut self, line: &str) -> Result<(), Complaint> {
        let bare = line.trim();
        if let Some(labels) = bare.strip_prefix("-- expect") {
            let labels = split(labels, '/').into_iter().filter(|label| !label.is_empty());
            self.expected.push((labels.map(str::to_owned).collect(), Seen::new()));
            return Ok(());
        }
        if let Some((_, seen)) = self.expected.last_mut() {
            if !bare.is_empty() {
                let (actor, saw) = bare.split_once(": ").ok_or_else(|| {
                    format!("{}: no actor in the expected line `{bare}`", self.name)
                })?;
                seen.insert(actor.to_owned(), saw.to_owned());
            }
            return Ok(());
        }
        self.written.push(line.to_owned());
        if let Some(table) = bare.strip_prefix("for ") {
            let (name, values) =
                table.split_once(" in ").ok_or_else(|| format!("no table in `{bare}`"))?;
            let values = split(values, '|').into_iter().map(str::to_owned).collect();
            self.tables.push((name.to_owned(), values));
        } else if !bare.is_empty() && !bare.starts_with('#') {
            self.lines.push(bare.to_owned());
        }
        Ok(())
    }

    /// One case for each choice of values.
    pub(super) fn cases(&self) -> Result<Vec<Case>, Complaint> {
        let mut choices: Vec<Vec<&str>> = vec![Vec::new()];
        for (_, values) in &self.tables {
            choices = choices
                .iter()
                .flat_map(|chosen| {
                    values.iter().map(|value| {
                        let mut chosen = chosen.clone();
                        chosen.push(value.as_str());
                        chosen
                    })
                })
                .collect();
        }
        let cases: Vec<Case> = choices.iter().map(|chosen| self.case(chosen)).collect();
        for (labels, _) in &self.expected {
            let known = |label: &String| cases.iter().any(|case| case.label == *label);
            if let Some(label) = labels.iter().find(|label| !known(label)) {
                return Err(format!("{}: nothing is called `{label}`", self.name));
            }
        }
        Ok(cases)
    }

    fn case(&self, chosen: &[&str]) -> Case {
        let label = chosen.join(", ");
        let fill = |line: &String| {
            let pairs = self.tables.iter().zip(chosen);
            pairs.fold(line.clone(), |line, ((name, _), value)| {
                line.replace(&format!("${name}"), value)
            })
        };
        let holds = |labels: &[String]| labels.is_empty() || labels.contains(&label);
        let expected = self.expected.iter().find(|(labels, _)| holds(labels));
        Case {
            name: match label.as_str() {
                "" => self.name.clone(),
                label => format!("{} [{label}]", self.name),
            },
            lines: self.lines.iter().map(fill).collect(),
            expected: expected.map(|(_, seen)| seen.clone()),
            label,
        }
    }

    fn write(&self, seen: &[Seen], text: &mut String) {
        let mut written = self.written.as_slice();
        while let [front @ .., last] = written
            && last.trim().is_empty()
        {
            written = front;
        }
        for line in written {
            text.push_str(line);
            text.push('\n');
        }
        let labels: Vec<String> =
            self.cases().unwrap_or_default().into_iter().map(|case| case.label).collect();
        let mut groups: Vec<(Vec<String>, &Seen)> = Vec::new();
        for (label, seen) in labels.into_iter().zip(seen) {
            match groups.iter_mut().find(|(_, known)| *known == seen) {
                Some((labels, _)) => labels.push(label),
                None => groups.push((vec![label], seen)),
            }
        }
        let alone = groups.len() == 1;
        for (labels, seen) in groups {
            let labels = if alone { String::new() } else { format!(" {}", labels.join(" / ")) };
            text.push_str(&format!("-- expect{labels}\n"));
            for (actor, saw) in seen {
                text.push_str(&format!("  {actor}: {saw}\n"));
            }
        }
        text.push('\n');
    }
}

#[test]
fn a_table_makes_a_case_of_each_value_and_a_file_survives_being_rewritten() {
    let text = "# head\n\n== one\nfor x in a | \"b c\"\nnote $x\n\
                -- expect a\n  l: 1\n-- expect \"b c\"\n  l: 2\n\n== two\nstop\n-- expect\n  l: 3\n";
    let (header, sections) = sections(text).unwrap();
    let cases: Vec<Vec<Case>> = sections.iter().map(|each| each.cases().unwrap()).collect();
    assert_eq!((cases[0].len(), cases[1].len()), (2, 1));
    assert_eq!(cases[0][1].lines, ["note \"b c\""]);
    assert_eq!(cases[0][1].name, "one [\"b c\"]");
    let seen =
        cases.iter().map(|cases| cases.iter().map(|case| case.expected.clone().unwrap()).collect());
    let pairs: Vec<_> = sections.iter().cloned().zip(seen).collect();
    assert_eq!(rewritten(&header, &pairs), text);
}
