//! A table whose cells know their figure, so that text and JSON cannot differ.

use serde_json::{Map, Value, json};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    /// Printed with this many digits behind the point.
    Number(f64, usize),
    /// Printed in thousands or millions.
    Rate(f64),
    /// Not measured or not known.
    Missing,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A figure that may be absent, or no number because nothing was counted.
    pub(crate) fn number(value: Option<f64>, digits: usize) -> Self {
        value
            .filter(|value| value.is_finite())
            .map_or(Self::Missing, |value| Self::Number(value, digits))
    }

    fn to_markdown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, digits) => format!("{value:.digits$}"),
            Self::Rate(value) if *value >= 1e6 => format!("{:.2}M", value / 1e6),
            Self::Rate(value) if *value >= 1e3 => format!("{:.1}k", value / 1e3),
            Self::Rate(value) => format!("{value:.0}"),
            Self::Missing => "-".to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(value, _) | Self::Rate(value) => json!(value),
            Self::Missing => Value::Null,
        }
    }
}

/// Rows under named columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell for every column.
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for every column");
        self.rows.push(row);
    }

    /// The table with its columns padded to equal width, the figures to the right.
    pub(crate) fn to_markdown(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(Cell::to_markdown).collect()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let longest = cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
                longest.max(self.columns[column].len())
            })
            .collect();
        let line = |texts: Vec<&str>| {
            let padded = texts.iter().zip(&widths).enumerate().map(|(column, (text, width))| {
                if column == 0 { format!(" {text:<width$} ") } else { format!(" {text:>width$} ") }
            });
            format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
        };
        let rule = widths.iter().enumerate().map(|(column, width)| {
            let dashes = "-".repeat(width + 1);
            if column == 0 { format!("{dashes}-") } else { format!("{dashes}:") }
        });
        let rule = format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
        let head = line(self.columns.clone());
        let body: String =
            cells.iter().map(|row| line(row.iter().map(String::as_str).collect())).collect();
        format!("### {}\n\n{head}{rule}{body}", self.title)
    }

    /// The table as one object a row.
    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let fields = self.columns.iter().zip(row);
            fields.map(|(name, cell)| ((*name).to_owned(), cell.to_json())).collect::<Map<_, _>>()
        });
        json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new("speed", &["who", "msg/s"]);
        table.push(vec![Cell::text("raw"), Cell::Rate(205_123.0)]);
        table.push(vec![Cell::text("other"), Cell::Missing]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let expected = "### speed\n\n\
            | who   |  msg/s |\n\
            |-------|-------:|\n\
            | raw   | 205.1k |\n\
            | other |      - |\n";
        assert_eq!(example().to_markdown(), expected);
    }

    #[test]
    fn json_keeps_the_whole_figure() {
        let json = example().to_json();
        assert_eq!(json["rows"][0]["msg/s"], 205_123.0);
        assert!(json["rows"][1]["msg/s"].is_null());
    }

    #[test]
    fn a_figure_over_nothing_is_missing() {
        assert_eq!(Cell::number(Some(f64::NAN), 1), Cell::Missing);
    }
}
