//! The parent's side: a running server process that cannot outlive its owner.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::contenders::Suite;
use crate::failure::{Explain, Failure, Outcome};
use crate::machine::usage::Usage;

/// How long a server may take to end after its stdin closed.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Which server to start, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerPlan<'a> {
    pub(crate) suite: Suite,
    pub(crate) contender: &'a str,
    pub(crate) core: usize,
    pub(crate) count_allocations: bool,
    /// Runs the server under strace, which writes its summary to this file when the server ends.
    pub(crate) strace_summary: Option<&'a Path>,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    contender: String,
    address: SocketAddrV4,
}

impl ServerProcess {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(plan: &ServerPlan<'_>) -> Outcome<Self> {
        let mut child = command(plan)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .explain(format_args!("cannot start the {} server", plan.contender))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("the server's pipes are missing"));
        };
        let mut server = Self {
            child,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout),
            contender: plan.contender.to_owned(),
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        };
        let line = server.read_line()?;
        let port = line.trim().parse().explain(format_args!("the server's port is {line:?}"))?;
        server.address.set_port(port);
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Asks the server what it has used so far.
    pub(crate) fn usage(&mut self) -> Outcome<Usage> {
        if let Some(stdin) = &mut self.stdin {
            // A dead server shows as the end of its stdout, with a better message than a broken pipe.
            let _ = stdin.write_all(b"stat\n");
        }
        Usage::from_line(&self.read_line()?)
    }

    /// Ends the server in order, so that a tracer around it can finish its summary.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        drop(self.stdin.take());
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if self.child.try_wait().explain("cannot wait for the server")?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(Failure::new(format!("the {} server does not stop", self.contender)))
    }

    fn read_line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line).explain("cannot read from the server")?;
        if length > 0 {
            return Ok(line);
        }
        let status = self.child.wait().explain("cannot wait for the server")?;
        Err(Failure::new(format!("the {} server is gone ({status})", self.contender)))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only if the process has already ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(plan: &ServerPlan<'_>) -> Outcome<Command> {
    let program = env::current_exe().explain("cannot find this program's file")?;
    let mut words: Vec<OsString> = Vec::new();
    if let Some(summary) = plan.strace_summary {
        words.extend(["strace", "-f", "-c", "-o"].map(OsString::from));
        words.push(summary.into());
    }
    words.push(program.into());
    words.extend(["serve", "--suite", plan.suite.name()].map(OsString::from));
    words.extend(["--contender", plan.contender].map(OsString::from));
    words.extend(["--core".into(), plan.core.to_string().into()]);
    words.extend(plan.count_allocations.then(|| OsString::from("--count-allocations")));
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    Ok(command)
}
