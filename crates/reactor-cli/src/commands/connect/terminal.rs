//! A person at a terminal: lines are edited below what arrives.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::{ReadlineError, Signal};
use rustyline::{Config, DefaultEditor, ExternalPrinter};

use super::passage::{Ends, Intake, Outlet, Told};
use crate::text::push_printable;

const PROMPT: &str = "> ";
/// Lines that can be called back. They are kept nowhere else: a line may be a password.
const HISTORY_LINES: usize = 1000;
/// An unfinished line is shown when its end has not come for so long: it may be a question.
const UNFINISHED_LINE_WAIT: Duration = Duration::from_millis(200);
/// The longest piece of a line that is kept until its end comes.
const UNFINISHED_LINE_BYTES_MAX: usize = 8 * 1024;
/// Prints nothing, over two lines: up, and down again.
const NOTHING: &str = "\x1b[A\n";

/// The terminal, to be left as it was found.
#[derive(Debug)]
pub(super) struct Terminal {
    mode: Termios,
}

impl Terminal {
    /// Begins to edit lines, if there is a terminal that can do so on both sides.
    pub(super) fn open(crlf: bool) -> Option<(Ends, Self)> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let mode = tcgetattr(io::stdin()).ok()?;
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)
            .ok()?
            .auto_add_history(true)
            // It would have to be undone at the end.
            .bracketed_paste(false)
            .build();
        let mut editor = DefaultEditor::with_config(config).ok()?;
        let printer = editor.create_external_printer().ok()?;
        let line_end = if crlf { "\r\n" } else { "\n" };
        let ends = Ends {
            read: Box::new(move |intake| edit(&intake, editor, line_end)),
            write: Box::new(move |outlet| show(&outlet, printer)),
            end_with_peer: true,
        };
        Some((ends, Self { mode }))
    }

    /// Leaves the line that is being edited, and sets the terminal as it was.
    ///
    /// The editor cannot be called off: it waits for a key until the process ends.
    pub(super) fn close(self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.mode);
        let _ = io::stdout().write_all(b"\n");
    }
}

/// Sends each line that is entered.
///
/// Ctrl-D ends our side, and the rest of the peer's is awaited; another one, or Ctrl-C, leaves. The
/// editor goes on in between, because it is what shows what arrives.
fn edit(intake: &Intake, mut editor: DefaultEditor, line_end: &str) {
    let mut is_finished = false;
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                if let Some(mut buffer) = intake.buffer().filter(|_| !is_finished) {
                    buffer.extend_from_slice(line.as_bytes());
                    buffer.extend_from_slice(line_end.as_bytes());
                    intake.tell(Told::Chunk(buffer));
                }
            }
            Err(ReadlineError::Eof) if !is_finished => {
                is_finished = true;
                intake.tell(Told::End);
            }
            Err(ReadlineError::Signal(Signal::Resize)) => {}
            Err(ReadlineError::Eof | ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                return intake.tell(Told::Leave);
            }
            Err(error) => return intake.tell(Told::Unreadable(io::Error::other(error))),
        }
    }
}

/// Prints what arrives, in whole lines where possible, above the line that is being edited.
fn show(outlet: &Outlet, mut printer: impl ExternalPrinter) -> io::Result<()> {
    let mut print = |text: String| {
        if text.is_empty() { Ok(()) } else { printer.print(text).map_err(io::Error::other) }
    };
    let mut unfinished = Vec::new();
    loop {
        let received = if unfinished.is_empty() {
            outlet.buffer().ok_or(RecvTimeoutError::Disconnected)
        } else {
            outlet.buffer_within(UNFINISHED_LINE_WAIT)
        };
        let printed = match received {
            Ok(buffer) => {
                let text = whole_lines(&mut unfinished, &buffer);
                outlet.tell(Told::Emptied(buffer));
                print(text)
            }
            Err(RecvTimeoutError::Timeout) => print(rest(&mut unfinished)),
            Err(RecvTimeoutError::Disconnected) => {
                print(rest(&mut unfinished))?;
                // The editor takes one text at a time. When it has taken the second of these, it
                // has shown all that came before the first.
                print(NOTHING.to_owned())?;
                return print(NOTHING.to_owned());
            }
        };
        if printed.is_err() {
            outlet.tell(Told::Unwritable);
            return printed;
        }
    }
}

/// Takes the lines that are whole now, fit to be shown.
fn whole_lines(unfinished: &mut Vec<u8>, received: &[u8]) -> String {
    let mut text = String::new();
    for piece in received.split_inclusive(|byte| *byte == b'\n') {
        unfinished.extend_from_slice(piece);
        if piece.ends_with(b"\n") || unfinished.len() >= UNFINISHED_LINE_BYTES_MAX {
            text.push_str(&rest(unfinished));
        }
    }
    text
}

/// Takes a line, whether or not its end has come.
fn rest(unfinished: &mut Vec<u8>) -> String {
    let mut text = String::new();
    if !unfinished.is_empty() {
        let line = unfinished.strip_suffix(b"\n").unwrap_or(unfinished);
        push_printable(&mut text, line.strip_suffix(b"\r").unwrap_or(line));
        text.push('\n');
        unfinished.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_whole_however_they_arrive() {
        let mut unfinished = Vec::new();
        assert_eq!(whole_lines(&mut unfinished, b"on"), "");
        assert_eq!(whole_lines(&mut unfinished, b"e\r\ntwo\n\nthr"), "one\ntwo\n\n");
        assert_eq!(rest(&mut unfinished), "thr\n");
        assert_eq!(rest(&mut unfinished), "");
    }

    #[test]
    fn a_line_without_end_is_shown_in_pieces() {
        let mut unfinished = Vec::new();
        let text = whole_lines(&mut unfinished, &vec![b'x'; UNFINISHED_LINE_BYTES_MAX + 1]);
        assert_eq!(text.len(), UNFINISHED_LINE_BYTES_MAX + 2);
        assert!(unfinished.is_empty());
    }

    #[test]
    fn nothing_that_arrives_commands_the_terminal() {
        assert_eq!(whole_lines(&mut Vec::new(), b"\x1b[2J\x07\n"), "\\u{1b}[2J\\u{7}\n");
    }
}
