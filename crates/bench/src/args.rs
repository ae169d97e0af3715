//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::contenders::Suite;

/// Measures net-reactor beside a raw epoll loop and tokio.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Proves within seconds that everything runs; the figures mean nothing.
    #[arg(long, global = true)]
    pub(crate) quick: bool,

    /// Writes all figures to this file as JSON as well.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// How often the contenders take turns; medians are over these.
    #[arg(long, global = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,

    /// Length of one measured window.
    #[arg(long, global = true, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(crate) window_ms: Option<u64>,

    /// Measures only this contender beside the reference; may be repeated.
    #[arg(long, global = true, value_name = "CONTENDER")]
    pub(crate) only: Vec<String>,

    /// Measures only the rows of echo and broadcast whose name contains this text.
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) row: Option<String>,
}

impl Arguments {
    /// The date to print on the report; the caller knows it, so no clock is asked.
    pub(crate) fn date(&self) -> Option<&str> {
        match &self.command {
            Command::All(all) => all.date.as_deref(),
            _ => None,
        }
    }
}

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Messages a second, latency, and the server's CPU time per message.
    Echo,
    /// Lines to everybody in a chat: deliveries a second, and the server's memory.
    Broadcast,
    /// Resident bytes per idle connection.
    Memory,
    /// Nanoseconds to arm, cancel and expire a timer.
    Timers,
    /// Tasks a second from other threads into one loop.
    Posts,
    /// Allocations per message in steady state.
    Allocs,
    /// System calls per message; needs strace.
    Syscalls,
    /// Everything above, as one report.
    All(AllArguments),
    /// Runs one server until stdin closes; the other commands start it themselves.
    #[command(hide = true)]
    Serve(ServeArguments),
}

/// Where the full report goes.
#[derive(Args)]
pub(crate) struct AllArguments {
    /// Writes the Markdown report to this file as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// The date to print on the report; left out if not given.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
}

/// Which server to run.
#[derive(Args)]
pub(crate) struct ServeArguments {
    /// What the server does with bytes.
    #[arg(long)]
    pub(crate) suite: Suite,

    /// The implementation, by its name in the report.
    #[arg(long)]
    pub(crate) contender: String,

    /// The port on 127.0.0.1; 0 lets the kernel choose.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,

    /// Pins the serving thread to this core.
    #[arg(long)]
    pub(crate) core: Option<usize>,

    /// Counts allocations; off elsewhere because counting costs some nanoseconds each.
    #[arg(long)]
    pub(crate) count_allocations: bool,
}
