//! What may stand on the command line.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand};
use net_reactor::Target;

use crate::failure::Failure;
use crate::framing::FramingArgs;

/// Small network servers, a client for people and pipelines, and a ping-pong that measures.
#[derive(Debug, Parser)]
#[command(name = "reactor", version, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show events on stderr; -vv shows every connection
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure an echo server: messages per second and latency
    Pingpong(PingpongArgs),
    /// Connect: type lines and see what comes, or pass stdin and stdout through
    Connect(ConnectArgs),
    /// Serve: send back what arrives (RFC 862)
    Echo(EchoArgs),
    /// Serve: throw away what arrives (RFC 863)
    Discard(ServeArgs),
    /// Serve: send lines of characters without end (RFC 864)
    Chargen(ServeArgs),
    /// Serve: send the time as a line of text, then close (RFC 867)
    Daytime(ServeArgs),
    /// Serve: send the time as a 32-bit number, then close (RFC 868)
    Time(ServeArgs),
    /// Serve: pass each connection on to another address
    Relay(RelayArgs),
    /// Serve: a chat, in which each line goes to everybody
    Chat(ChatArgs),
    /// Run simulated worlds with faults, a seed for each, and check what the library promises
    Sim(SimArgs),
}

/// Where and how a service listens.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 lets the system choose, and the line "listening on .." tells
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = target)]
    pub(crate) listen: Target,

    /// Number of loops, each on a thread of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = loops())]
    pub(crate) loops: u16,
}

/// Where and how to echo.
#[derive(Debug, Args)]
#[command(after_help = FRAMING_NOTES)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    #[command(flatten)]
    pub(crate) framing: FramingArgs,
}

/// What to measure, against whom, and for how long.
#[derive(Debug, Args)]
#[command(after_help = PINGPONG_NOTES)]
pub(crate) struct PingpongArgs {
    /// Echo server to measure; without it, one is started in this process
    #[arg(long, value_name = "ADDR", value_parser = target)]
    pub(crate) connect: Option<Target>,

    /// Connections, all opened before the clock starts
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) connections: NonZeroU32,

    #[command(flatten)]
    pub(crate) framing: FramingArgs,

    /// Bytes in a message, its framing not counted
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub(crate) size: NonZeroU32,

    /// Messages under way on each connection at any time
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) outstanding: NonZeroU32,

    /// How long to measure, such as 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// Measure this many messages instead, however long they take
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub(crate) messages: Option<NonZeroU64>,

    /// Loops of the server that is started in this process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = loops())]
    #[arg(conflicts_with = "connect")]
    pub(crate) loops: u16,

    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where to connect, and how.
#[derive(Debug, Args)]
#[command(after_help = CONNECT_NOTES)]
pub(crate) struct ConnectArgs {
    /// Address or name and port, such as localhost:9000
    #[arg(value_name = "ADDR", value_parser = target)]
    pub(crate) target: Target,

    /// How long connecting may take, the look-up of a name included
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) connect_deadline: Duration,

    /// End typed lines with CR LF instead of LF
    #[arg(long)]
    pub(crate) crlf: bool,
}

/// From where, and to where.
#[derive(Debug, Args)]
#[command(after_help = RELAY_NOTES)]
pub(crate) struct RelayArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    /// Address or name and port that each connection is passed on to
    #[arg(long, value_name = "ADDR", value_parser = target)]
    pub(crate) to: Target,

    /// How long connecting there may take, the look-up of a name included
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) connect_deadline: Duration,

    /// End a pair when nothing has passed through it for so long; without it, never
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle_timeout: Option<Duration>,

    /// Peers at the same time; more are reset. Each takes two descriptors
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,

    /// The same for the peers of one network: an IPv4 address, or 64 bits of IPv6
    #[arg(long, value_name = "N")]
    pub(crate) max_per_network: Option<NonZeroUsize>,
}

/// Where the chat is, and what it allows.
#[derive(Debug, Args)]
#[command(after_help = CHAT_NOTES)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    /// Members at the same time; who comes then is turned away
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) max_members: NonZeroUsize,

    /// Bytes in a line; a longer one ends its connection
    #[arg(long, value_name = "BYTES", default_value = "1024")]
    pub(crate) max_line: NonZeroUsize,

    /// Lines of a member in a second, twice as many after a silence; who is faster is read slowly
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) max_rate: NonZeroU32,
}

/// Which worlds to simulate, and what to tell of them.
#[derive(Debug, Args)]
#[command(after_help = SIM_NOTES)]
pub(crate) struct SimArgs {
    /// Scenarios to run, separated by commas; without it, all
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) scenario: Vec<String>,

    /// Seeds for each scenario
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) seeds: NonZeroU64,

    /// Run this seed alone
    #[arg(long, value_name = "K", conflicts_with_all = ["seeds", "from", "minutes"])]
    #[arg(value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// First seed
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = seed)]
    pub(crate) from: u64,

    /// Run seed after seed for so many minutes instead
    #[arg(long, value_name = "M", conflicts_with = "seeds")]
    pub(crate) minutes: Option<NonZeroU64>,

    /// Simulations that run at the same time; without it, one for each core
    #[arg(long, value_name = "J")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// The only kinds of fault that may happen, separated by commas, or `none`
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub(crate) faults: Option<Vec<String>>,

    /// A size of the scenario, instead of the one that the seed picks
    #[arg(long, value_name = "NAME=VALUE", value_parser = pick)]
    pub(crate) pick: Vec<(String, u64)>,

    /// With --seed: print the end of the trace
    #[arg(long, requires = "seed")]
    pub(crate) trace: bool,

    /// Lines of the trace that are printed
    #[arg(long, value_name = "N", default_value = "60")]
    pub(crate) trace_lines: NonZeroUsize,

    /// Perform each run so many times; each time its trace must be the same
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) audit: NonZeroU32,

    /// Fail when a kind of fault has not happened in any run
    #[arg(long)]
    pub(crate) require_all_faults: bool,

    /// Hunt for every planted bug, and print how many runs it takes to find each
    #[cfg(feature = "power")]
    #[arg(long)]
    pub(crate) power: bool,

    /// Hunt for this planted bug
    #[cfg(feature = "power")]
    #[arg(long, value_name = "BUG")]
    pub(crate) planted: Option<String>,

    /// List the scenarios
    #[arg(long)]
    pub(crate) list: bool,

    /// List the kinds of fault
    #[arg(long, conflicts_with = "list")]
    pub(crate) list_faults: bool,

    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const CONNECT_NOTES: &str = "\
At a terminal, lines can be edited and called back with the arrow keys; what arrives is shown above
them, control characters as \\u{1b}. Ctrl-D ends what is sent, and the rest is awaited; Ctrl-C leaves.

Otherwise stdin is sent byte by byte, then its end, and what comes back goes to stdout. When the peer
ends first, the rest of stdin is still sent. A stdout that is closed early is no failure.

Exit codes: 0 when both sides have ended, 1 when something failed, 2 for a wrong command line, 130
after Ctrl-C or a signal.";

const RELAY_NOTES: &str = "\
Bytes, ends and resets pass through in both directions, and a side that does not read holds back the
other. When the address cannot be reached the peer is reset, and -v says why.";

const CHAT_NOTES: &str = "\
A line is what ends in LF or CR LF. Lines that begin with / are commands: /nick NAME, /who, /quit and
/help. Control characters are shown as \\u{1b}, to members as in the log on stdout, which also says why
somebody was cut off. Who does not read misses lines, is told how many, and holds nobody up. Try it
with `reactor connect`.";

const SIM_NOTES: &str = "\
A run is decided by its scenario and its seed: the same seed gives the same run, down to the hash of
its trace, on every machine. A failing run is made as small as it can be, and printed as the command
line that repeats it. The library's events (-v) are not shown: a simulation has millions.";

const FRAMING_NOTES: &str = "\
A frame may have 1 MiB. What is no frame closes its connection, and -v says why.";

const PINGPONG_NOTES: &str = "\
The latency of a message runs from when it is handed to its connection until the last byte of its
echo has been read. It includes the wait for the other connections of this client's single loop.
A message is sent only when an earlier one has come back, so a slow server also slows the client.";

/// More loops than this are a slip of the keyboard.
const LOOPS_MAX: i64 = 1024;

fn loops() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=LOOPS_MAX)
}

fn target(text: &str) -> Result<Target, net_reactor::TargetError> {
    text.parse()
}

/// Reads a seed: decimal, or hexadecimal as programs print it, such as `0x2a`.
fn seed(text: &str) -> Result<u64, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    // The standard library would take a sign as well.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    let number = is_number.then(|| u64::from_str_radix(digits, radix).ok()).flatten();
    number.ok_or_else(|| format!("write a number up to {}, such as 42 or 0x2a", u64::MAX))
}

/// Reads the size of a scenario, such as `clients=3`.
fn pick(text: &str) -> Result<(String, u64), String> {
    let says = || "write a name and a number, such as clients=3".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(says)?;
    Ok((name.to_owned(), value.parse().map_err(|_| says())?))
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Run(Arguments),
    /// To be shown the help or the version.
    Text(String),
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Asked, Failure> {
    parse_from(std::env::args_os())
}

fn parse_from(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<Asked, Failure> {
    let error = match Arguments::try_parse_from(words) {
        Ok(arguments) => return Ok(Asked::Run(arguments)),
        Err(error) => error,
    };
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Asked::Text(text)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Failure::usage(
            "no command given - try `reactor pingpong`, or `reactor --help` for all",
        )),
        _ => Err(Failure::usage(one_line(&text))),
    }
}

/// Says what clap says in a paragraph in one line, without the usage that follows it.
fn one_line(text: &str) -> String {
    let said = text.split("\nUsage:").next().unwrap_or(text);
    let said = said.split("\nFor more information").next().unwrap_or(said);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = lines.join("; ").replace(":; ", ": ");
    format!("{} - see `reactor --help`", said.strip_prefix("error: ").unwrap_or(&said))
}

/// Reads a time such as `500ms`, `10s`, `1.5m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let number_len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let unit_seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" => return Err("it needs a unit: write 500ms, 10s or 2m".to_owned()),
        _ => return Err("write a number and ms, s, m or h, such as 500ms, 10s or 2m".to_owned()),
    };
    let number: f64 =
        number.parse().map_err(|_| "write a number first, such as in 10s".to_owned())?;
    match Duration::try_from_secs_f64(number * unit_seconds) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("it is too long".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, milliseconds) in
            [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_what_is() {
        for (text, says) in [
            ("10", "unit"),
            ("", "unit"),
            ("s", "number"),
            ("-1s", "number"),
            ("1.2.3s", "number"),
            ("10 s", "ms, s, m or h"),
            ("10d", "ms, s, m or h"),
            ("0s", "longer than nothing"),
            ("99999999999999999999h", "too long"),
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_seed_is_decimal_or_hexadecimal() {
        for (text, number) in [
            ("0", 0),
            ("42", 42),
            ("0x2a", 42),
            ("0X2A", 42),
            ("18446744073709551615", u64::MAX),
            ("0xffffffffffffffff", u64::MAX),
        ] {
            assert_eq!(seed(text), Ok(number), "{text}");
        }
        for text in ["", "0x", "2a", "0x+2a", "+1", "-1", "0x10000000000000000", "1.5"] {
            let error = seed(text).expect_err(text);
            assert!(error.contains("0x2a"), "{text}: {error}");
        }
    }

    #[test]
    fn both_options_for_seeds_read_hexadecimal() {
        for option in ["--seed", "--from"] {
            let words = ["reactor", "sim", option, "0x2a"];
            let Ok(Asked::Run(Arguments { command: Command::Sim(args), .. })) = parse_from(words)
            else {
                panic!("{words:?} was not understood");
            };
            let (seed, from) = if option == "--seed" { (Some(42), 0) } else { (None, 42) };
            assert_eq!((args.seed, args.from), (seed, from), "{option}");
        }
    }

    fn usage_error(words: &[&str]) -> String {
        match parse_from(words) {
            Err(failure) => failure.to_string(),
            Ok(asked) => panic!("{words:?} was understood: {asked:?}"),
        }
    }

    #[test]
    fn a_slip_is_told_in_one_line_with_what_was_meant() {
        for (words, says) in [
            (&["reactor"][..], "no command"),
            (&["reactor", "sing"], "unrecognized subcommand 'sing'"),
            (&["reactor", "connect"], "arguments were not provided: <ADDR> - see"),
            (&["reactor", "pingpong", "--sise", "1"], "similar argument exists: '--size'"),
            (&["reactor", "pingpong", "--size", "0"], "--size"),
            (&["reactor", "pingpong", "--duration", "5"], "needs a unit"),
            (
                &["reactor", "pingpong", "--duration", "5s", "--messages", "1"],
                "cannot be used with",
            ),
            (&["reactor", "pingpong", "--connect", "a:1", "--loops", "2"], "cannot be used with"),
            (&["reactor", "pingpong", "--connect", "localhost"], "no port"),
            (&["reactor", "echo", "--listen", "127.0.0.1:99999"], "between 0 and 65535"),
            (&["reactor", "echo", "--loops", "0"], "--loops"),
            (&["reactor", "sim", "--pick", "clients"], "such as clients=3"),
            (&["reactor", "sim", "--seed", "1", "--seeds", "2"], "cannot be used with"),
            (&["reactor", "sim", "--trace"], "--seed"),
        ] {
            let error = usage_error(words);
            assert!(error.contains(says), "{words:?}: {error}");
            assert!(!error.contains('\n'), "{words:?}: {error}");
        }
    }
}
