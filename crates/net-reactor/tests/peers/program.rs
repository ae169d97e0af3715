//! The programs of others: whether they are there, what they say, and how they end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Far more than any step here needs; what takes longer is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

/// Returns the Python of the environment that `./check peers` makes.
pub(crate) fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let environment = target.join("peers");
    // It is written last.
    let is_whole = environment.join("requirements.txt").is_file();
    let python = environment.join("bin/python");
    (is_whole && python.is_file()).then_some(python).or_else(|| not_tried("Twisted and Tornado"))
}

/// Where a program of others listens.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether a program of the system's is there, and its help mentions what is needed of it.
pub(crate) fn has(program: &str, needed: &str) -> bool {
    let help = Command::new(program).arg("-h").stdin(Stdio::null()).output();
    let is_there = help.is_ok_and(|help| {
        let text = [help.stdout, help.stderr].concat();
        String::from_utf8_lossy(&text).contains(needed)
    });
    is_there || not_tried::<()>(program).is_some()
}

/// Says loudly that a test is none, or fails where that must not be.
fn not_tried<T>(what: &str) -> Option<T> {
    // Not by a macro, whose output the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "NOT TRIED with {what}: `./check peers` installs it");
    assert!(std::env::var_os("CI").is_none(), "in CI there must be {what}");
    None
}

/// A program that runs. Dropping it ends it.
pub(crate) struct Program {
    child: Child,
    said: Receiver<String>,
}

impl Program {
    /// Starts one of the programs in Python.
    pub(crate) fn python(python: &Path, library: &str, args: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/python");
        let mut command = Command::new(python);
        command.arg("-B").arg(folder.join(format!("{library}_peer.py"))).args(args);
        Self::start(command.stdin(Stdio::null()), Stdio::inherit(), |child| child.stdout.take())
    }

    /// Starts a program that says on its standard error what is to be known of it.
    pub(crate) fn talking_aside(command: &mut Command) -> Self {
        Self::start(command, Stdio::piped(), |child| child.stderr.take())
    }

    fn start<R: Read + Send + 'static>(
        command: &mut Command,
        stderr: Stdio,
        voice: impl FnOnce(&mut Child) -> Option<R>,
    ) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the program is there");
        let voice = voice(&mut child).expect("it is piped");
        let (tell, said) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(voice).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Self { child, said }
    }

    /// Waits for the next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("the program says something in time")
    }

    /// Waits for the line that ends in a port, such as `Listening on localhost 1234`.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        loop {
            let line = self.line();
            let last = line.rsplit([' ', ':']).next().unwrap_or_default();
            if let Ok(port) = last.parse() {
                return port;
            }
        }
    }

    /// Gives the program its whole input, and returns all that it puts out by its end.
    pub(crate) fn feed(&mut self, input: Vec<u8>) -> Receiver<Vec<u8>> {
        let mut stdin = self.child.stdin.take().expect("it is piped");
        let mut stdout = self.child.stdout.take().expect("it is piped");
        // Whoever goes before the end misses some of it, which the test sees by what comes out.
        thread::spawn(move || stdin.write_all(&input));
        let (tell, put_out) = mpsc::channel();
        thread::spawn(move || {
            let mut output = Vec::new();
            let _ = stdout.read_to_end(&mut output);
            tell.send(output)
        });
        put_out
    }

    /// Waits for a good end.
    #[track_caller]
    pub(crate) fn end(mut self) {
        // The end of what it says is that of the program, or next to it.
        while self.said.recv_timeout(PATIENCE).is_ok() {}
        let status = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
