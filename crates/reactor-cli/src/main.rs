//! The `reactor` command: small servers, a ping-pong that measures one, a client for people and for
//! pipes, and simulated worlds.
//!
//! A thin face over the `net-reactor` library. Results go to stdout, everything else to stderr. It
//! exits with 0 after success, 1 when something failed while running, 2 when the command line makes
//! no sense, and 130 when it was told to leave; a failure is one line that says what is wrong and
//! what to do.

#![forbid(unsafe_code)]

mod args;
mod clock;
mod commands;
mod events;
mod failure;
mod framing;
mod output;
mod text;

use std::process::ExitCode;

use crate::args::{Arguments, Asked, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    let Arguments { command, verbose } = match args::parse()? {
        Asked::Run(arguments) => arguments,
        Asked::Text(text) => return output::print(&text),
    };
    events::show_on_stderr(verbose);
    match command {
        Command::Pingpong(args) => commands::pingpong::run(&args, verbose),
        Command::Echo(args) => commands::echo::run(&args),
        Command::Discard(args) => commands::discard::run(&args),
        Command::Chargen(args) => commands::chargen::run(&args),
        Command::Daytime(args) => commands::daytime::run(&args),
        Command::Time(args) => commands::time::run(&args),
        Command::Connect(args) => commands::connect::run(&args),
        Command::Relay(args) => commands::relay::run(&args),
        Command::Chat(args) => commands::chat::run(&args),
        Command::Sim(args) => commands::sim::run(&args),
    }
}
