//! A report: sections of tables, once as Markdown for people and once as JSON for programs.

pub(crate) mod spread;
pub(crate) mod table;

use serde_json::{Value, json};

use self::table::Table;
use crate::machine::description::Description;

/// Everything one run has to say.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Description,
    pub(crate) sections: Vec<Section>,
}

/// One workload: the question in a sentence or two, then the figures.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) notes: Vec<String>,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("# Benchmarks\n\n{}", self.machine.to_markdown());
        for section in &self.sections {
            text.push_str(&format!("\n## {}\n", section.title));
            for note in &section.notes {
                text.push_str(&format!("\n{note}\n"));
            }
            for table in &section.tables {
                text.push('\n');
                text.push_str(&table.to_markdown());
            }
        }
        text
    }

    pub(crate) fn to_json(&self) -> String {
        let sections: Vec<Value> = self.sections.iter().map(Section::to_json).collect();
        let report = json!({
            "machine": {
                "cores": self.machine.cores,
                "cpu_model": self.machine.cpu_model,
                "kernel": self.machine.kernel,
                "commit": self.machine.commit,
                "date": self.machine.date,
            },
            "sections": sections,
        });
        format!("{report:#}\n")
    }
}

impl Section {
    fn to_json(&self) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(Table::to_json).collect();
        json!({ "title": self.title, "notes": self.notes, "tables": tables })
    }
}
