//! Measures net-reactor beside a hand-written epoll loop and tokio, in one run, on one machine.
//!
//! Every server runs as a child process of this binary, pinned to one core, while the load comes
//! from this process, pinned to another. Contenders take turns (A B C, A B C, ..), so a change in
//! the machine's mood hits all of them; what is claimed is the ratio to the raw loop.

#![deny(unsafe_code)]

mod args;
mod contenders;
mod failure;
mod load;
mod machine;
mod report;
mod server;
mod workloads;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::failure::{Explain, Outcome};
use crate::machine::description::Description;
use crate::report::Report;
use crate::workloads::Settings;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to tell if even stderr is gone.
            let _ = writeln!(io::stderr(), "reactor-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    if let Command::Serve(serve) = &arguments.command {
        return server::serve::serve(serve);
    }
    let settings = Settings::from_arguments(arguments)?;
    let sections = match &arguments.command {
        Command::Echo => vec![workloads::echo::run(&settings)?],
        Command::Broadcast => vec![workloads::broadcast::run(&settings)?],
        Command::Memory => vec![workloads::memory::run(&settings)?],
        Command::Timers => vec![workloads::timers::run(&settings)?],
        Command::Posts => vec![workloads::posts::run(&settings)?],
        Command::Allocs => vec![workloads::allocs::run(&settings)?],
        Command::Syscalls => vec![workloads::syscalls::run(&settings)?],
        Command::All(_) | Command::Serve(_) => workloads::run_all(&settings)?,
    };
    let report = Report { machine: Description::detect(arguments.date()), sections };
    deliver(arguments, &report)
}

fn deliver(arguments: &Arguments, report: &Report) -> Outcome<()> {
    if let Some(path) = &arguments.json {
        fs::write(path, report.to_json())
            .explain(format_args!("cannot write {}", path.display()))?;
    }
    let markdown = report.to_markdown();
    if let Command::All(all) = &arguments.command
        && let Some(path) = &all.out
    {
        fs::write(path, &markdown).explain(format_args!("cannot write {}", path.display()))?;
    }
    io::stdout().write_all(markdown.as_bytes()).explain("cannot write the report to stdout")
}
