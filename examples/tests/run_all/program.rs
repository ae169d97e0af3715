//! Running a program with a time limit.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Success,
    Failure(ExitStatus),
    TimedOut,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) ending: Ending,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program without input and collects what it prints; one that outlives the limit is killed.
pub(crate) fn run(program: &Path, limit: Duration) -> io::Result<Run> {
    let mut child = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let ending = ending(&mut child, limit)?;
    Ok(Run { ending, stdout: collect(&stdout), stderr: collect(&stderr) })
}

/// Waits for the end, looking every few milliseconds; the standard library has no wait with a limit.
fn ending(child: &mut Child, limit: Duration) -> io::Result<Ending> {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(Ending::Success),
            Some(status) => return Ok(Ending::Failure(status)),
            None if waited >= limit => break,
            None => thread::park_timeout(STEP),
        }
        waited += STEP;
    }
    child.kill()?;
    child.wait()?;
    Ok(Ending::TimedOut)
}

/// Reads a pipe on a thread of its own, so that a program that prints much does not block on it.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error still helps to see what went wrong.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn collect(bytes: &Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.recv().unwrap_or_default()).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn success_and_failure_are_told_apart() {
        let limit = Duration::from_secs(10);
        let run = |program: &str| run(Path::new(program), limit).expect("the program exists");
        assert!(matches!(run("true").ending, Ending::Success));
        assert!(matches!(run("false").ending, Ending::Failure(_)));
    }

    #[test]
    fn a_program_that_does_not_end_is_stopped() {
        // A busy machine may not let it print anything within the first limits.
        let printed =
            (0..12).map(|doublings| Duration::from_millis(10 << doublings)).find(|limit| {
                let run = run(Path::new("yes"), *limit).expect("the program exists");
                assert!(matches!(run.ending, Ending::TimedOut));
                run.stdout.starts_with("y\n")
            });
        assert!(printed.is_some(), "what it printed is kept");
    }
}
