//! The `reactor` command.

#![forbid(unsafe_code)]

use clap::Parser;

/// A network reactor on the command line.
#[derive(Debug, Parser)]
#[command(name = "reactor", version)]
struct Arguments {}

fn main() {
    let Arguments {} = Arguments::parse();
}
