//! The scenarios: small worlds, each with a promise that it checks.
//!
//! To add one, write `scenarios/<name>.rs` with a function `run(&mut Simulation)`, and a line in
//! [`ALL`]. Such a function
//!
//! 1. lets the seed pick its sizes with [`Simulation::pick`], so that a failure can be shrunk;
//! 2. makes hosts that run ordinary servers and clients. A host's function is called again after
//!    each crash: what it makes is the program's state and is lost, what it captures is the test's
//!    and is not. Handlers `assert!` what must hold at any time, since a panic fails the run;
//! 3. chooses faults, all but those that its own checks cannot bear, and says why;
//! 4. runs for some virtual minutes, then [`calm`](Simulation::calm)s the world, and awaits what it
//!    promises with [`run_until`](Simulation::run_until).
//!
//! It must not read the real clock, use a `HashMap`'s order, or a global variable. Numbers come
//! from a [`Lot`](lot::Lot).

mod abort_storm;
mod addresses;
mod awaited;
mod balance;
mod big_transfer;
mod broadcast;
mod broken;
mod callers;
mod chat;
mod clocks;
mod connect_storm;
mod crash;
mod crowd;
mod delimiters;
mod descriptors;
mod distant;
mod drain;
mod early;
mod echo;
mod eyeballs;
mod farewell;
mod file_transfer;
mod flood;
mod frozen;
mod full_house;
mod gone;
mod groups;
mod half_close;
mod handover;
mod heartbeat;
mod hold_back;
mod itself;
mod jobs;
mod limits;
mod long_timers;
mod loops;
mod lot;
mod moves;
#[cfg(feature = "zlib")]
mod packed;
#[cfg(feature = "zlib")]
mod packed_calls;
mod panics;
mod ping_pong;
mod pipes;
mod posts;
mod prompt;
mod questions;
mod rates;
mod reads;
mod reconnect;
mod redial;
mod refusals;
mod relay;
mod resolvers;
mod slow_consumers;
mod slowloris;
mod stops;
mod stream;
mod switches;
mod tags;
mod timers;
mod typed_chat;
mod unix;
mod upload;
mod whispers;
mod workers;
mod writes;

use net_reactor::sim::Simulation;

/// A small world and what it checks.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What it is and checks, in a line.
    pub(super) about: &'static str,
    pub(super) run: fn(&mut Simulation),
}

const fn scenario(name: &'static str, about: &'static str, run: fn(&mut Simulation)) -> Scenario {
    Scenario { name, about, run }
}

/// Every scenario, in the order of the list.
#[rustfmt::skip]
pub(super) const ALL: &[Scenario] = &[
    scenario("echo", "clients get back every byte they send, and go on once all is calm", echo::run),
    scenario("ping-pong", "messages and their answers alternate; stopped clients start again", ping_pong::run),
    scenario("broadcast", "members that come and go see one sender's messages in order", broadcast::run),
    scenario("slow-consumers", "who does not read is dropped, and holds nobody else back", slow_consumers::run),
    scenario("groups", "slow members of a group miss messages, know how many, and hold nobody back", groups::run),
    scenario("half-close", "request, FIN, answer, FIN: whole in both directions, either side first", half_close::run),
    scenario("descriptors", "a server without descriptors serves its clients one after the other", descriptors::run),
    scenario("reconnect", "clients that connect again find their server, within their limit, however they are meddled with", reconnect::run),
    scenario("drain", "a graceful stop under load truncates nothing", drain::run),
    scenario("loops", "calls around a ring of loops come in the order of their sender", loops::run),
    scenario("posts", "bytes and messages between connections of several loops keep their order", posts::run),
    scenario("timers", "never early, on the grid, in order, and never after being cancelled", timers::run),
    scenario("clocks", "timers under skew, leaps and freezes keep to the clock of their host", clocks::run),
    scenario("heartbeat", "silent peers are found out and dropped, the living are not lost", heartbeat::run),
    scenario("typed-chat", "SimpleReactor's protocol: everybody hears everybody, whole and in order", typed_chat::run),
    scenario("relay", "a relay with backpressure passes on every byte and both ends", relay::run),
    scenario("connect-storm", "each of many attempts to connect has exactly one outcome", connect_storm::run),
    scenario("balance", "several loops share the peers of one address, evenly where promised", balance::run),
    scenario("abort-storm", "everybody closes, aborts, half-closes and pauses at random", abort_storm::run),
    scenario("big-transfer", "every byte of a long transfer arrives, through the smallest buffers", big_transfer::run),
    scenario("file-transfer", "files arrive whole or are cut short for all to see, at their readers' pace", file_transfer::run),
    scenario("panics", "a handler's panic costs its own connection alone", panics::run),
    scenario("jobs", "blocking work: each result once, refusals and panics told", jobs::run),
    scenario("crash", "clients of a server that loses its power learn of it and come back", crash::run),
    scenario("addresses", "a name with several addresses is reached if one of them serves", addresses::run),
    scenario("itself", "a client is not connected to itself while its server on the same host is away", itself::run),
    scenario("early", "what is sent before a connection is open arrives once it is", early::run),
    scenario("refusals", "declined peers and handlers that give up are closed, and soon", refusals::run),
    scenario("whispers", "messages among the connections of a loop never run within another callback", whispers::run),
    scenario("tags", "timers of connections: none early, none after it was cancelled by one due with it", tags::run),
    scenario("reads", "requests read in steps, in every way, are read whole; each read and write is told once", reads::run),
    scenario("awaited", "servers and clients in linear code lose no byte to reads that are taken back", awaited::run),
    scenario("delimiters", "records are found by their delimiters however those are cut", delimiters::run),
    scenario("stops", "a stop comes after what was posted before, and in time with stubborn connections", stops::run),
    scenario("handover", "a peer is served although the loop that should take it refuses", handover::run),
    scenario("farewell", "a close ends in time though the peer neither reads nor closes", farewell::run),
    scenario("upload", "an answer that comes before the end of the question arrives whole", upload::run),
    scenario("writes", "small, large and shared writes are one stream", writes::run),
    scenario("workers", "one request at a time: pauses keep data, order and the end where they are", workers::run),
    scenario("gone", "who vanishes with a reset is noticed, also while nobody reads", gone::run),
    scenario("flood", "floods get their share of a turn, and arrive, through buffers of all sizes", flood::run),
    scenario("crowd", "many peers at once get their share of a turn, and are all let in", crowd::run),
    scenario("limits", "unread input, large writes and posts stay within their limits", limits::run),
    scenario("prompt", "what is due at once is done at once, also on a loop about to sleep", prompt::run),
    scenario("distant", "where nothing fails no attempt fails, however long it takes", distant::run),
    scenario("hold-back", "who reads late is held back, and gets everything in the end", hold_back::run),
    #[cfg(feature = "zlib")]
    scenario("packed-stream", "half-close through compression: a FIN that cuts a stream short is no end", half_close::run_packed),
    #[cfg(feature = "zlib")]
    scenario("packed-calls", "what is written to a compressed connection arrives in its turn, not with the next", packed_calls::run),
    #[cfg(feature = "zlib")]
    scenario("packed", "frames that refer to each other are unpacked however they are cut", packed::run),
    scenario("switches", "frames come whole though each is in another codec, however they are cut", switches::run),
    scenario("rates", "no more passes than its rate allows, and all of it in the end", rates::run),
    scenario("long-timers", "timers of microseconds and of weeks, over two months: in order, none early", long_timers::run),
    scenario("pipes", "ends of pipes are changed and taken away in each other's calls: no byte lost", pipes::run),
    scenario("slowloris", "who holds a connection and gives nothing is found out; honest callers are served", slowloris::run),
    scenario("frozen", "a server that stands still does not blame its clients", frozen::run),
    scenario("eyeballs", "addresses that are cut off cost a connection a quarter of a second each", eyeballs::run),
    scenario("resolvers", "whatever a resolver does, each attempt has one outcome by its deadline", resolvers::run),
    scenario("moves", "a name that leads elsewhere is asked for again, though its old server goes on", moves::run),
    scenario("questions", "questions over datagrams that are lost, late and doubled: all are answered, and truly", questions::run),
    scenario("chat", "everybody hears everybody in order, whatever rascals say", chat::run),
    scenario("unix", "programs of one host find each other by a Unix socket, whatever a crash leaves behind", unix::run),
    scenario("full-house", "more callers than places: limits hold, and everybody has a turn", full_house::run),
];

/// It fails under every seed. Tests of this command use it; it is in no list.
const BROKEN: Scenario = scenario("broken", "a check that fails", broken::run);

/// Finds a scenario by its name.
pub(super) fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|each| each.name == name).or_else(|| (name == BROKEN.name).then_some(&BROKEN))
}
