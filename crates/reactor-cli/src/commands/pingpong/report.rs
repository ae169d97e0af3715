//! The result of a run, for people and for programs.

use std::fmt::{self, Write};

use serde_json::json;

use super::plan::Plan;
use super::tally::{Ending, Tally};
use crate::framing::Framing;
use crate::output::grouped;

const BYTES_PER_MIB: f64 = 1_048_576.0;
/// The quantiles that are shown, with their names for people and for programs.
const QUANTILES: [(f64, &str, &str); 5] = [
    (0.5, "p50", "p50"),
    (0.9, "p90", "p90"),
    (0.99, "p99", "p99"),
    (0.999, "p99.9", "p99_9"),
    (1.0, "max", "max"),
];

/// Who was measured.
#[derive(Debug)]
pub(super) enum Subject {
    /// The echo server in this process.
    Embedded { loops: u16 },
    /// A server at an address or name.
    Remote(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { loops: 1 } => f.write_str("an embedded echo server with 1 loop"),
            Self::Embedded { loops } => write!(f, "an embedded echo server with {loops} loops"),
            Self::Remote(target) => f.write_str(target),
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    pub(super) subject: &'a Subject,
    pub(super) tally: &'a Tally,
}

impl Report<'_> {
    /// Returns the result as lines of text; it should have messages to tell of.
    pub(super) fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.headline(&self.headline());
        let elapsed = format!("{:.2}", self.tally.elapsed().as_secs_f64());
        lines.row("messages", &grouped(self.tally.messages()), "");
        lines.row("time", &elapsed, self.time_note());
        lines.row("rate", &rounded(self.tally.messages_per_second()), "messages/s");
        lines.row("payload", &format!("{:.2}", self.mebibytes_per_second()), "MiB/s each way");
        lines.gap();
        for (quantile, name, _) in QUANTILES {
            let label = format!("latency {name}");
            lines.row(&label, &microseconds(self.tally.latency_ns(quantile)), "µs");
        }
        let faults = [
            ("damaged", self.tally.damaged(), "messages"),
            ("lost", self.tally.lost(), "connections"),
        ];
        if faults.iter().any(|(_, count, _)| *count > 0) {
            lines.gap();
        }
        for (label, count, unit) in faults.into_iter().filter(|(_, count, _)| *count > 0) {
            lines.row(label, &grouped(count), unit);
        }
        lines.text
    }

    /// Returns the result as one JSON object on one line.
    pub(super) fn json(&self) -> String {
        let Self { plan, tally, .. } = self;
        let (server, loops) = match self.subject {
            Subject::Embedded { loops } => ("embedded", Some(*loops)),
            Subject::Remote(target) => (target.as_str(), None),
        };
        let latency: serde_json::Map<_, _> = QUANTILES
            .iter()
            .filter(|_| tally.messages() > 0)
            .map(|(quantile, _, name)| ((*name).to_owned(), json!(tally.latency_ns(*quantile))))
            .collect();
        json!({
            "server": server,
            "server_loops": loops,
            "connections": plan.connections,
            "framing": plan.framing.to_string(),
            "size_bytes": plan.size_bytes,
            "outstanding_messages": plan.outstanding,
            "elapsed_seconds": tally.elapsed().as_secs_f64(),
            "messages": tally.messages(),
            "messages_per_second": tally.messages_per_second(),
            "payload_mebibytes_per_second_each_way": self.mebibytes_per_second(),
            "latency_nanoseconds": latency,
            "damaged_messages": tally.damaged(),
            "lost_connections": tally.lost(),
            "interrupted": tally.ending() == Ending::Interrupted,
        })
        .to_string()
    }

    fn headline(&self) -> String {
        let Plan { connections, framing, size_bytes, outstanding, .. } = self.plan;
        let framing = match framing {
            Framing::Raw => String::new(),
            framing => format!(", framing {framing}"),
        };
        let plural = if *connections == 1 { "" } else { "s" };
        format!(
            "{} connection{plural} to {}, messages of {} B{framing}, {outstanding} outstanding",
            grouped(*connections as u64),
            self.subject,
            grouped(*size_bytes as u64),
        )
    }

    fn time_note(&self) -> &'static str {
        match self.tally.ending() {
            Ending::Complete => "s",
            Ending::Interrupted => "s (interrupted)",
            Ending::Stalled(_) => "s (stalled)",
            Ending::Deserted => "s (no connection left)",
        }
    }

    fn mebibytes_per_second(&self) -> f64 {
        let size = self.plan.size_bytes as f64;
        self.tally.messages_per_second() * size / BYTES_PER_MIB
    }
}

/// Writes nanoseconds as microseconds, with one digit behind the point.
fn microseconds(nanoseconds: u64) -> String {
    let tenths = nanoseconds.saturating_add(50) / 100;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

/// Writes a positive number rounded to a whole one.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn rounded(number: f64) -> String {
    grouped(number.round() as u64)
}

/// Rows of a label, a number and its unit, in columns.
#[derive(Debug, Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn headline(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds a row; the numbers of all rows have their points below each other.
    fn row(&mut self, label: &str, number: &str, unit: &str) {
        let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
        let line = format!("  {label:<13} {whole:>13}{fraction:<3} {unit}");
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::plan::Limit;
    use super::*;
    use crate::clock;
    use crate::framing::Plain;

    const PLAN: Plan = Plan {
        connections: 100,
        framing: Framing::Raw,
        size_bytes: 1024,
        outstanding: 2,
        limit: Limit::Time(Duration::from_secs(2)),
    };

    /// A thousand messages in two seconds: 1 us, 2 us, and so on.
    fn tally() -> Tally {
        let start = clock::now();
        let mut tally = Tally::new(start);
        tally.begin(start);
        for us in 1..=1000 {
            tally.note_message(Duration::from_micros(us), false);
        }
        tally.end(Ending::Complete, start + Duration::from_secs(2));
        tally
    }

    #[test]
    fn the_summary_is_aligned_and_names_its_units() {
        let (subject, tally) = (Subject::Embedded { loops: 1 }, tally());
        let text = Report { plan: &PLAN, subject: &subject, tally: &tally }.text();
        let expected = "\
100 connections to an embedded echo server with 1 loop, messages of 1,024 B, 2 outstanding

  messages              1,000
  time                      2.00 s
  rate                    500    messages/s
  payload                   0.49 MiB/s each way

  latency p50             500.2  µs
  latency p90             900.1  µs
  latency p99             990.2  µs
  latency p99.9           999.4  µs
  latency max           1,000.4  µs
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_json_object_has_its_units_in_the_names() {
        let (subject, tally) = (Subject::Remote("a\"b:1".to_owned()), tally());
        let text = Report { plan: &PLAN, subject: &subject, tally: &tally }.json();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!text.contains('\n'));
        assert_eq!(object["server"], "a\"b:1");
        assert_eq!(object["elapsed_seconds"], 2.0);
        assert_eq!(object["messages_per_second"], 500.0);
        assert_eq!(object["framing"], "raw");
        assert_eq!(object["size_bytes"], 1024);
        assert!(object["latency_nanoseconds"]["p99_9"].as_u64().unwrap() >= 999_000);
    }

    #[test]
    fn a_framing_is_named() {
        let (subject, tally) = (Subject::Embedded { loops: 1 }, tally());
        let plan = Plan { framing: Framing::Plain(Plain::Line), ..PLAN };
        let text = Report { plan: &plan, subject: &subject, tally: &tally }.text();
        assert!(text.contains("messages of 1,024 B, framing line, 2 outstanding\n"), "{text}");
    }

    #[test]
    fn faults_show_in_the_summary() {
        let (subject, mut tally) = (Subject::Embedded { loops: 2 }, tally());
        tally.note_message(Duration::from_micros(1), true);
        let text = Report { plan: &PLAN, subject: &subject, tally: &tally }.text();
        assert!(text.contains("  damaged                   1    messages\n"), "{text}");
        assert!(tally.verdict(&subject, Framing::Raw).is_err());
    }
}
