//! Runs the built command, and never leaves it running.
#![expect(dead_code, reason = "each test file uses a part")]
#![expect(clippy::unwrap_used, reason = "this is test code outside a test function")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Far longer than anything here takes; a test that waits for so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Makes the command with these arguments, its output caught.
pub(crate) fn reactor(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reactor"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that is killed when a test is done with it, whichever way.
#[derive(Debug)]
pub(crate) struct Running {
    /// Absent when it has ended.
    child: Option<Child>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self { child: Some(command.spawn().unwrap()) }
    }

    pub(crate) fn of(child: Child) -> Self {
        Self { child: Some(child) }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        kill(name, self.child.as_ref().unwrap().id());
    }

    /// Waits for its end and returns what it printed; kills it when it does not end.
    pub(crate) fn end(mut self) -> Output {
        let child = self.child.take().unwrap();
        let id = child.id();
        let (report, reported) = mpsc::channel();
        std::thread::spawn(move || report.send(child.wait_with_output()));
        match reported.recv_timeout(PATIENCE) {
            Ok(output) => output.unwrap(),
            Err(_) => {
                kill("KILL", id);
                panic!("the command did not end: {:?}", reported.recv());
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn kill(signal: &str, id: u32) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Runs the command to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    Running::start(reactor(args)).end()
}

/// Bytes that repeat only after 16 MiB.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    (0_u32..).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).take(count).collect()
}

/// Returns the one line that a failed command printed, after checking that it is one.
pub(crate) fn only_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(text.starts_with("reactor: "), "{text:?}");
    assert_eq!(text.find('\n'), Some(text.len() - 1), "not one line: {text:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text
}

/// A service of the command, on a port that the system chose.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    /// Kept open, as a terminal would.
    stdout: BufReader<ChildStdout>,
}

impl Service {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut running = Running::start(reactor(args));
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Self { running, address, stdout }
    }

    /// Waits for the next line on its stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// Connects to it; reads fail instead of waiting for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}
