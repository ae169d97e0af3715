//! What can go wrong: every kind of fault that the simulated world knows.

mod table;

use std::fmt;
use std::str::FromStr;

pub(crate) use table::FaultRates;
pub(super) use table::FaultTable;

/// Makes the enum with its names and classes from one list.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $class:ident;)+) => {
        /// A kind of fault that a simulation can inject.
        ///
        /// Most kinds are injected by chance into the calls of the simulated kernel, each at its
        /// own rate and from its own stream of random numbers: switching one off does not shift
        /// what the others do. The others are [staged](Self::is_staged) by the simulation as
        /// episodes with a beginning and an end.
        ///
        /// An injected error is never a lie about the connection. Where an error means that a
        /// connection is dead, the connection is dead: the peer gets a reset, as if a box in the
        /// middle had killed it, and what had arrived stays readable, as on Linux.
        #[allow(unreachable_pub, reason = "the module `sim` exports it; tests alone do not")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])+ $variant,)+
        }

        #[allow(unreachable_pub, reason = "as for the enum")]
        impl Fault {
            /// Every kind, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name in kebab case, such as `accept-no-buffers`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns what happens, and where it does in the real world, in a line of text.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }

            const fn class(self) -> Class {
                match self {
                    $(Self::$variant => Class::$class,)+
                }
            }
        }
    };
}

/// What a kind of fault does to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It delays, cuts, repeats or reorders; everything still comes true.
    Harmless,
    /// A call fails, or a connection ends.
    Failing,
    /// The simulation stages it.
    Staged,
}

faults! {
    /// `accept` fails with `EMFILE`: the process has no descriptor left. Every Unix.
    AcceptProcessFiles = "accept-process-files", Failing;
    /// `accept` fails with `ENFILE`: the whole system has none left. Every Unix.
    AcceptSystemFiles = "accept-system-files", Failing;
    /// `accept` fails with `ENOBUFS`; the peer stays in the backlog. Linux and BSD, under pressure.
    AcceptNoBuffers = "accept-no-buffers", Failing;
    /// `accept` fails with `ENOMEM`; the peer stays in the backlog. Linux, with a memory limit.
    AcceptNoMemory = "accept-no-memory", Failing;
    /// `accept` fails with `ECONNABORTED`: the peer gave up while it waited. BSD, macOS.
    AcceptAborted = "accept-aborted", Failing;
    /// `accept` fails with `EPROTO`: the same, as System V and old Linux say it.
    AcceptProtocolError = "accept-protocol-error", Failing;
    /// `accept` fails with `EPERM`: a firewall forbids the peer, which is reset. Linux.
    AcceptNotPermitted = "accept-not-permitted", Failing;
    /// `accept` fails with `ENETDOWN`, an error that waited on the new socket. Linux, accept(2).
    AcceptNetworkDown = "accept-network-down", Failing;
    /// `accept` returns a socket that was reset while it waited: its peer has no address any more
    /// (`ENOTCONN`) and a receive says `ECONNRESET`. Linux.
    AcceptReset = "accept-reset", Failing;
    /// `accept` says `EAGAIN` although a peer waits; the listener is reported again. Several
    /// processes that share a listener see this on every system.
    AcceptNotReady = "accept-not-ready", Harmless;
    /// `listen` fails with `EADDRINUSE`: another process was faster. Every system.
    ListenAddressInUse = "listen-address-in-use", Failing;
    /// `listen` gets a backlog of 0 to 3, as a low `net.core.somaxconn` makes it. Linux.
    SmallBacklog = "small-backlog", Harmless;

    /// `connect` fails with `ECONNREFUSED` at once. Loopback on Linux and FreeBSD.
    ConnectRefused = "connect-refused", Failing;
    /// `connect` fails with `ENETUNREACH` at once: there is no route. Every system.
    ConnectNetworkUnreachable = "connect-network-unreachable", Failing;
    /// `connect` fails with `ENOBUFS` at once. BSD and macOS, when memory is short.
    ConnectNoBuffers = "connect-no-buffers", Failing;
    /// `connect` fails with `EADDRNOTAVAIL` at once: no port is free. Linux.
    ConnectNoPort = "connect-no-port", Failing;
    /// A started connection fails with `ETIMEDOUT` up to 3 s later. Every system.
    ConnectTimesOut = "connect-times-out", Failing;
    /// A started connection fails with `EHOSTUNREACH` up to 3 s later: a router said so. Every
    /// system.
    ConnectHostUnreachable = "connect-host-unreachable", Failing;
    /// `register` fails with `ENOMEM`. Linux, epoll_ctl(2).
    RegisterNoMemory = "register-no-memory", Failing;
    /// `register` fails with `ENOSPC`: `fs.epoll.max_user_watches` is reached. Linux.
    RegisterNoSpace = "register-no-space", Failing;
    /// Both buffers of a new connection's end hold 1 to 1460 bytes. Small devices; a tuned
    /// `SO_SNDBUF`. Over a link with latency the slowest carry a byte each round trip, and then
    /// deadlines of the program pass.
    SmallBuffers = "small-buffers", Harmless;

    /// A reset arrives just before a `receive`: first what had arrived, then `ECONNRESET`.
    ReceiveReset = "receive-reset", Failing;
    /// The connection timed out just before a `receive` (`ETIMEDOUT`): keep-alive gave up.
    ReceiveTimedOut = "receive-timed-out", Failing;
    /// The connection died of `EHOSTUNREACH` just before a `receive`: a router gave up. Linux.
    ReceiveHostUnreachable = "receive-host-unreachable", Failing;
    /// `receive` says `EAGAIN` after readiness, and the stream is reported again. Linux, when a
    /// checksum was wrong (select(2)).
    ReceiveNotReady = "receive-not-ready", Harmless;
    /// `receive` moves a part of what has arrived; a report follows. Every system, by timing.
    ReceiveShort = "receive-short", Harmless;
    /// `receive` moves one byte of several; a report follows. A peer that types.
    ReceiveOneByte = "receive-one-byte", Harmless;
    /// The connection is gone just before a `send`, which says `EPIPE`. Every Unix.
    SendBrokenPipe = "send-broken-pipe", Failing;
    /// A reset arrives just before a `send`, which says `ECONNRESET`. Every system.
    SendReset = "send-reset", Failing;
    /// `send` fails with `ENOBUFS`; the connection lives. BSD and macOS, with a full interface
    /// queue.
    SendNoBuffers = "send-no-buffers", Failing;
    /// `send` says `EAGAIN` although there is room, and the stream is reported again. Linux, when
    /// another socket ate the memory.
    SendNotReady = "send-not-ready", Harmless;
    /// `send` takes a part of what it is offered; a report follows. Every system, by timing.
    SendShort = "send-short", Harmless;
    /// `send` takes one byte of several; a report follows.
    SendOneByte = "send-one-byte", Harmless;
    /// A reset arrives just before `shutdown`, which says `ENOTCONN`. Linux and macOS.
    ShutdownNotConnected = "shutdown-not-connected", Failing;
    /// A reset arrives ahead of bytes that were sent before it, and these are discarded when they
    /// come. Every network that loses or reorders segments.
    ResetOvertakes = "reset-overtakes", Failing;
    /// Setting an option fails with `EINVAL`, and changes nothing. Linux, for what it thinks
    /// out of range; macOS, on a socket that the peer has left.
    OptionInvalid = "option-invalid", Failing;
    /// Asking for the own address fails with `ENOBUFS`, as getsockname(2) may.
    LocalAddressFails = "local-address-fails", Failing;

    /// A datagram is lost on its way, and nobody is told. Every network.
    DatagramLost = "datagram-lost", Failing;
    /// A datagram arrives twice. A route that changes, or a link that repeats.
    DatagramTwice = "datagram-twice", Harmless;
    /// A datagram takes up to 200 ms longer, and others overtake it. Every network.
    DatagramLate = "datagram-late", Harmless;

    /// A wait reports a socket without a cause: readable, writable or both. epoll, kqueue.
    ReportSpurious = "report-spurious", Harmless;
    /// A report comes up to 5 ms late. A busy machine.
    ReportLate = "report-late", Harmless;
    /// Readable and writable come in two waits instead of one. kqueue, which has a filter for
    /// each.
    ReportSplit = "report-split", Harmless;
    /// All reports of a loop are kept back up to 3 ms and come at once. Interrupt coalescing.
    ReportMerged = "report-merged", Harmless;
    /// The reports of a wait come in another order.
    ReportShuffled = "report-shuffled", Harmless;
    /// A wait brings one report of several; the others stay for the next. A short event list.
    ReportAlone = "report-alone", Harmless;
    /// A wait reports the same socket twice. kqueue, two filters for one change.
    ReportTwice = "report-twice", Harmless;
    /// A wait returns with nothing, as after `EINTR`. Every Unix.
    WaitInterrupted = "wait-interrupted", Harmless;
    /// A wake-up is seen up to 5 ms late. A busy machine.
    WakeLate = "wake-late", Harmless;
    /// A wait ends up to 5 ms after the last busy one, with nobody having woken it.
    WakeSpurious = "wake-spurious", Harmless;

    /// An offloaded job runs up to 200 ms late. A slow disk.
    JobSlow = "job-slow", Harmless;
    /// An offloaded job is refused: the queue is full.
    JobRefused = "job-refused", Failing;
    /// Jobs that wait run in another order. Several worker threads.
    JobsShuffled = "jobs-shuffled", Harmless;

    /// A name cannot be resolved: it is unknown, the server fails for now, or too many names are
    /// being resolved.
    NameFails = "name-fails", Failing;
    /// A name takes up to 4 s longer. A lost packet to the name server.
    NameSlow = "name-slow", Harmless;
    /// A name is never answered. A name server that is gone, until the resolver's own end.
    NameHangs = "name-hangs", Failing;
    /// A name has 1,000 addresses, nearly all of which lead nowhere, with the true ones among
    /// them.
    NameMany = "name-many", Failing;
    /// A name has one more address, the first, which leads nowhere: stale data in a cache.
    NameStale = "name-stale", Failing;
    /// The addresses of a name come in another order. Round-robin name servers.
    NameShuffled = "name-shuffled", Harmless;

    /// Two hosts cannot reach each other for a while.
    Partition = "partition", Staged;
    /// One host cannot reach another, which still reaches it.
    PartitionOneWay = "partition-one-way", Staged;
    /// A link keeps everything back and delivers it later, in order.
    Clog = "clog", Staged;
    /// Every connection over a link is reset.
    LinkReset = "link-reset", Staged;
    /// A link takes much longer for a while.
    LatencySpike = "latency-spike", Staged;
    /// A link carries few bytes a second for a while.
    SlowLink = "slow-link", Staged;
    /// A host stops without a word: no FIN, no reset.
    PowerCut = "power-cut", Staged;
    /// A process is killed: its kernel closes its sockets.
    ProcessKill = "process-kill", Staged;
    /// A host stands still and goes on later, as a suspended virtual machine does.
    HostFreeze = "host-freeze", Staged;
    /// A callback takes long, and its loop turns late.
    LoopStall = "loop-stall", Staged;
    /// The clock of a host runs fast or slow.
    ClockSkew = "clock-skew", Staged;
    /// The monotonic clock of a host leaps ahead.
    ClockJump = "clock-jump", Staged;
    /// The clock of a host stands still while the host works on.
    ClockFreeze = "clock-freeze", Staged;
    /// The calendar of a host leaps, forward or back.
    WallJump = "wall-jump", Staged;
    /// A host may open few descriptors for a while.
    DescriptorLimit = "descriptor-limit", Staged;
    /// A host has few ports for outgoing connections.
    FewPorts = "few-ports", Staged;
    /// A handler panics.
    HandlerPanic = "handler-panic", Staged;
    /// The inbox of a loop is full.
    InboxFull = "inbox-full", Staged;
    /// The loops of the world take their turns in another order.
    TurnOrder = "turn-order", Staged;
    /// A place in the tested program itself misbehaves, where it says that it may.
    UserPoint = "user-point", Staged;
}

#[allow(unreachable_pub, reason = "as for the enum")]
impl Fault {
    /// Whether the kind is staged by the simulation, and not injected by the kernel at a rate.
    #[must_use]
    pub const fn is_staged(self) -> bool {
        matches!(self.class(), Class::Staged)
    }

    /// Whether a program cannot tell the kind from bad luck in timing: it only delays, cuts,
    /// repeats or reorders, and every byte, report and answer still comes.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(self.class(), Class::Harmless)
    }

    /// How many kinds there are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// The place of the kind in [`ALL`](Self::ALL).
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a fault that does not exist.
#[allow(unreachable_pub, reason = "as for the enum")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no kind of fault {:?}", self.0)
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_found_by_it() {
        for (index, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(fault.index(), index);
            assert_eq!(fault.name().parse(), Ok(*fault));
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(fault.name().chars().all(kebab), "{fault}");
            assert!(fault.about().ends_with('.'), "{fault}: {}", fault.about());
        }
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::COUNT);
        let unknown = "no-such-thing".parse::<Fault>().unwrap_err();
        assert_eq!(unknown.to_string(), "there is no kind of fault \"no-such-thing\"");
    }

    #[test]
    fn the_guide_has_a_row_for_every_kind() {
        let rows: Vec<String> = Fault::ALL
            .iter()
            .map(|fault| {
                let class = match fault.class() {
                    Class::Harmless => "harmless",
                    Class::Failing => "failing",
                    Class::Staged => "staged",
                };
                format!("| `{fault}` | {class} | {} |", fault.about())
            })
            .collect();
        let guide = include_str!("../../../../../docs/simulation.md");
        let named = |line: &&str| {
            let name = line.strip_prefix("| `").and_then(|line| line.split_once('`'));
            name.is_some_and(|(_, rest)| rest.matches('|').count() == 3)
        };
        let found: Vec<&str> = guide.lines().filter(named).collect();
        assert_eq!(found, rows, "docs/simulation.md is to have these rows:\n{}", rows.join("\n"));
    }

    #[test]
    fn the_list_is_long() {
        let staged = Fault::ALL.iter().filter(|fault| fault.is_staged()).count();
        assert!(Fault::COUNT >= 50 && staged == 20, "{} and {staged}", Fault::COUNT);
    }
}
