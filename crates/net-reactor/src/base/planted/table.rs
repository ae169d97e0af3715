//! The table of planted bugs.

/// Declares the bugs: variant, name, file below `src`, lesson.
macro_rules! bugs {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $place:literal, $lesson:literal;)*) => {
        /// A bug that can be planted. Each is one that a reactor has had, or is prone to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "_planted", non_exhaustive)]
        #[cfg_attr(not(feature = "_planted"), expect(unreachable_pub, reason = "public with it"))]
        pub enum Bug {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nLesson: ", $lesson, ". Planted in `", $place, "`.")]
                $variant,
            )*
        }

        #[cfg(feature = "_planted")]
        impl Bug {
            /// Every bug, layer by layer.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name in kebab-case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns what the bug teaches, and where it was seen.
            #[must_use]
            pub const fn lesson(self) -> &'static str {
                match self {
                    $(Self::$variant => $lesson,)*
                }
            }

            /// Returns the file below `src` in which the bug is planted first.
            #[must_use]
            pub const fn place(self) -> &'static str {
                match self {
                    $(Self::$variant => $place,)*
                }
            }
        }
    };
}

bugs! {
    // base

    /// A slot's generation is ignored: an old id reaches the slot's new owner.
    StaleKey, "stale-key", "base/slab.rs",
        "identity goes stale, never wrong (gnet #621: bytes sent to the wrong peer)";
    /// The kernel's report for a closed socket is taken for one of its slot's new owner.
    StaleToken, "stale-token", "base/side_table.rs",
        "a token has a generation (mio CVE-2024-27308, libuv #968)";
    /// A pooled write queue keeps the bytes of its last owner.
    PooledOutputKept, "pooled-output-kept", "base/outbound.rs",
        "what is recycled is emptied first (lz4_flex CVE-2026-32829: old memory leaks)";
    /// A pooled input buffer keeps the bytes of its last owner.
    PooledInputKept, "pooled-input-kept", "base/inbound.rs",
        "what is recycled is emptied first (lz4_flex CVE-2026-32829: old memory leaks)";

    // driver

    /// A stream leaves the ready list although its receive filled the buffer.
    LostReadEdge, "lost-read-edge", "driver/service.rs",
        "an edge is spent only by a fruitless call (edge-triggered epoll)";
    /// After a hang-up a short receive ends reading, although its edge has come already.
    LostHangUp, "lost-hang-up", "driver/service.rs",
        "data and end come in one edge (edge-triggered epoll, muduo: close relies on a later HUP)";
    /// Readiness that comes while a stream is paused is forgotten.
    LostPausedEdge, "lost-paused-edge", "driver/slots.rs",
        "a paused socket keeps its readiness (sketch 002: interest and events share one field)";
    /// A blocked flush does not ask to be told of room.
    LostWriteEdge, "lost-write-edge", "driver/slots.rs",
        "a short send owes a writable event (sketch 002: if/elif skips the write)";
    /// A blocked flush is taken for one that used up its share: it is tried again in each turn.
    BlockedFlushSpins, "blocked-flush-spins", "driver/readiness.rs",
        "a default of writable spins (asyncore: 128,018 passes in 0.3 s on an idle socket)";
    /// A receive that finds nothing counts as the peer's end.
    SpuriousIsEnd, "spurious-is-end", "driver/service.rs",
        "readiness is a hint (accept(2), select(2): spurious reports happen)";
    /// A report on a connecting socket that is still on its way counts as failure.
    SpuriousConnectFails, "spurious-connect-fails", "driver/service.rs",
        "readiness is a hint, also for connect (asyncore: connect failures are generic errors)";
    /// A reset after the peer's end is ignored.
    ResetAfterEndIgnored, "reset-after-end-ignored", "driver/service.rs",
        "RST after FIN still closes (Netty CVE-2026-42577)";
    /// A reset while reading is paused is ignored.
    ResetWhilePausedIgnored, "reset-while-paused-ignored", "driver/service.rs",
        "a paused transport notices a disconnect (Twisted #8692)";
    /// Input arrives although reading is paused, once the peer has finished.
    DataWhilePaused, "data-while-paused", "driver/slots.rs",
        "pause means no data, whatever the kernel reports (muduo stopRead)";
    /// One peer is accepted for each edge.
    AcceptBatchOfOne, "accept-batch-of-one", "driver/service.rs",
        "accept until it is fruitless (SimpleReactor: one accept per event)";
    /// A failed accept ends the batch, and the peers behind it are forgotten.
    AcceptErrorLosesEdge, "accept-error-loses-edge", "driver/service.rs",
        "one bad peer says nothing of the next (cpython #127529, tonic CVE-2024-47609)";
    /// A listener accepts all there is in one turn.
    AcceptsWithoutShare, "accepts-without-share", "driver/service.rs",
        "a bounded batch, then the others (accept storms starve open connections)";
    /// A flood on one connection is read to its end before anybody else is served.
    ReadsWithoutShare, "reads-without-share", "driver/service.rs",
        "a budget for each wake-up (Tornado: one fast peer holds the loop up to 100 MiB)";
    /// The slices of a gathered send go out in the wrong order.
    GatherReversed, "gather-reversed", "driver/readiness.rs",
        "the order of bytes is the stream (a short send cuts between two slices)";
    /// A socket that could not be registered is not closed.
    UnregisteredSocketLeaks, "unregistered-socket-leaks", "driver/readiness.rs",
        "each error path gives the descriptor back (gnet #572, tokio #7979)";

    // event_loop

    /// A timer fires up to a millisecond before its deadline.
    TimerFiresEarly, "timer-fires-early", "event_loop/timers.rs",
        "round up, never down (epoll_wait counts in milliseconds)";
    /// Timers with one deadline fire in another order than they were set in.
    EqualDeadlinesSwapped, "equal-deadlines-swapped", "event_loop/timers.rs",
        "equal deadlines are first in, first out (Twisted; muduo orders by address)";
    /// A timer that is moved to an earlier time keeps its old one.
    SoonerIgnored, "sooner-ignored", "event_loop/timers.rs",
        "a lazy re-arm works in one direction only (Twisted: moving sooner)";
    /// The loop goes to sleep over a timer that was set without delay.
    OverdueSleptOver, "overdue-slept-over", "event_loop/timers.rs",
        "a zero delay is due in the next turn (libuv #4250)";
    /// The loop is told of a post but not woken.
    WakeUpLost, "wake-up-lost", "event_loop/wake.rs",
        "who finds the loop asleep wakes it (muduo: quit before loop is lost)";
    /// The loop sleeps although it was told of a post just before.
    SleepsOverPost, "sleeps-over-post", "event_loop/wake.rs",
        "look again between the decision to sleep and the sleep (lost wake-up)";
    /// Posts run last in, first out.
    PostsReversed, "posts-reversed", "event_loop/inbox.rs",
        "the order of one thread's posts is kept (Twisted CVE-2023-46137: replies out of order)";
    /// The inbox takes any number of bytes.
    InboxUnbounded, "inbox-unbounded", "event_loop/inbox.rs",
        "every queue has a limit (quinn CVE-2026-31812, h2 RUSTSEC-2024-0332)";

    // net, input

    /// Input that a callback left is dropped when it paused.
    PauseForgetsInput, "pause-forgets-input", "net/input.rs",
        "pausing in the middle of a batch keeps the rest";
    /// Kept input does not come again after a pause until more arrives.
    ResumeWithoutInput, "resume-without-input", "net/mod.rs",
        "whole frames must not wait for the next read (SimpleReactor: frames behind an empty one)";
    /// A handler may leave any amount of input.
    InputUnbounded, "input-unbounded", "net/input.rs",
        "unread input has a limit (tokio-rustls CVE-2020-35875, Twisted CVE-2022-21716)";
    /// Input goes on to the handler after it has closed.
    DataAfterClose, "data-after-close", "net/input.rs",
        "after close nothing but on_close (Redis CVE-2026-23479)";
    /// The peer's end is told again after each pause.
    EndToldTwice, "end-told-twice", "net/input.rs",
        "an end is told once (sketch 002: ready flags are never cleared)";
    /// The peer's end overtakes the input that a pause held back.
    EndOvertakesInput, "end-overtakes-input", "protocol/delivery.rs",
        "the end comes after all of the data (rustls: truncation)";

    // net, output

    /// A large write goes to the kernel past what is queued.
    LargeWriteOvertakes, "large-write-overtakes", "net/output.rs",
        "nothing is sent past the queue (SimpleReactor: stream corrupt after a partial write)";
    /// A shared payload goes before the small writes of the same turn.
    SharedOvertakesStaged, "shared-overtakes-staged", "net/output.rs",
        "two paths, one order (the second path is where it breaks)";
    /// What a short send of small writes has left is dropped.
    ShortSendDropsRest, "short-send-drops-rest", "net/output.rs",
        "the result of send counts (sketch 002, SimpleReactor: data lost silently)";
    /// What a short send of a large write has taken is sent again.
    ShortSendRepeats, "short-send-repeats", "net/output.rs",
        "a cut send resumes where it was cut";
    /// Queued output has no limit.
    OutputUnbounded, "output-unbounded", "net/output.rs",
        "a slow reader must not take the memory (ws CVE-2020-35896)";
    /// One large write has no limit.
    LargeWriteUnbounded, "large-write-unbounded", "net/output.rs",
        "limits hold on the second path too (asyncio CVE-2024-12254)";
    /// A large write that blocks does not count against the high mark.
    LargeWriteUnmarked, "large-write-unmarked", "net/output.rs",
        "writelines takes part in flow control (asyncio CVE-2024-12254)";
    /// Nobody is told that pressure is over.
    LowMarkUntold, "low-mark-untold", "net/output.rs",
        "who was told to stop is told to go on (muduo: no low-water event)";
    /// Reading that paused by itself at the high mark does not resume.
    PressurePauseForever, "pressure-pause-forever", "net/output.rs",
        "each automatic pause has its resume (both sides wait on full buffers: proxy deadlock)";
    /// A half-close sends FIN before what is queued.
    FinOvertakesOutput, "fin-overtakes-output", "net/output.rs",
        "FIN comes after the queue (Twisted: a half-close kills pending output)";
    /// Bytes are taken after our side was shut down.
    WriteAfterShutdown, "write-after-shutdown", "net/connection.rs",
        "the point of closing is exact (Twisted: writes after loseConnection go out)";

    // net, closing

    /// A graceful close drops what is queued.
    CloseWithoutFlush, "close-without-flush", "net/closing.rs",
        "close sends what was written (asyncore, Tornado: unsent bytes are lost)";
    /// A close resets the connection at once, and calls it an orderly one.
    CloseResets, "close-resets", "net/closing.rs",
        "close(2) with output queued is no graceful close (asyncore, Tornado: unsent bytes are lost)";
    /// A graceful close does not wait for the peer's end: unread input becomes RST.
    CloseWithoutDrain, "close-without-drain", "net/closing.rs",
        "close(2) with unread input destroys output that was sent (RFC 1122 4.2.2.13)";
    /// A graceful close waits for the peer without end.
    CloseWithoutDeadline, "close-without-deadline", "net/closing.rs",
        "every wait has a deadline (Twisted: a peer that never drains holds it)";
    /// The timers of a connection's handler outlive it.
    TimersOutliveConnection, "timers-outlive-connection", "net/closing.rs",
        "an end takes its timers with it (muduo: stop leaves the retry timer)";

    // net, connecting and accepting

    /// An attempt to connect has no deadline.
    ConnectWithoutDeadline, "connect-without-deadline", "net/connecting.rs",
        "connect has a deadline of its own (the kernel's own is two minutes)";
    /// The deadline of an attempt outlives its success: the outcome is told twice.
    ConnectToldTwice, "connect-told-twice", "net/connecting.rs",
        "each attempt has exactly one outcome (Tornado: TCPClient timeout)";
    /// A connection that met itself is opened.
    SelfConnectAccepted, "self-connect-accepted", "net/connecting.rs",
        "simultaneous open on an ephemeral port (muduo isSelfConnect)";
    /// Only the first address of a name is tried.
    FirstAddressOnly, "first-address-only", "net/connecting.rs",
        "a name has many addresses (RFC 6555)";
    /// The socket of an address that failed is not closed.
    FailedAddressLeaks, "failed-address-leaks", "net/connecting.rs",
        "each attempt closes its socket (SimpleReactor: TcpClient leaks an unused socket)";
    /// Output that was written before the connection was open stays queued.
    EarlyOutputStuck, "early-output-stuck", "net/connecting.rs",
        "opening flushes what waits (output before on_open is output)";
    /// Too few descriptors end the listener.
    EmfileEndsListener, "emfile-ends-listener", "net/accepting.rs",
        "EMFILE passes (asyncore closes the listener, gnet stops, muduo aborts)";
    /// Too few descriptors make the listener try without rest.
    EmfileSpins, "emfile-spins", "net/accepting.rs",
        "the backlog stays readable (Tornado: 39,421 exceptions in 0.3 s)";
    /// A listener that rests does not wake up.
    RestForever, "rest-forever", "net/accepting.rs",
        "each rest ends (gnet: EMFILE stops the engine)";

    // net, guards, names and datagrams

    /// A layer keeps back what it was given until it has more.
    LayerUnflushed, "layer-unflushed", "net/layering.rs",
        "what a turn wrote leaves with it (zlib without a sync flush waits for more)";
    /// Bytes that pass do not count against the idle timeout.
    BusyTakenForIdle, "busy-taken-for-idle", "net/guard.rs",
        "an idle timeout is for the idle";
    /// The time in which the loop stood still counts against its peers.
    StallBlamedOnPeers, "stall-blamed-on-peers", "net/guard.rs",
        "who stood still does not blame the others";
    /// A peer that sends a byte now and then is fast enough.
    DripForgiven, "drip-forgiven", "net/guard.rs",
        "a drip is no progress (slowloris)";
    /// Nobody looks whether queued output is ever taken.
    StuckOutputForgiven, "stuck-output-forgiven", "net/guard.rs",
        "a peer that takes nothing has a deadline (a zero window held open for ever)";
    /// Received bytes cost no tokens.
    ReadRateIgnored, "read-rate-ignored", "net/throttle.rs",
        "a rate that is set is held";
    /// Who waits for tokens is not woken when there are some.
    TokensWakeNobody, "tokens-wake-nobody", "net/throttle.rs",
        "who is made to wait is woken";
    /// A peer that has gone counts as inside.
    PermitKept, "permit-kept", "net/admission.rs",
        "a limit counts who is there (a leaked count closes the server)";
    /// The sockets of the addresses that lost are kept.
    LoserKept, "loser-kept", "net/connecting.rs",
        "one wins and the others are closed (RFC 8305, section 5)";
    /// An address is dialled when the one before has failed, and no sooner.
    DialsOneByOne, "dials-one-by-one", "net/happy_eyeballs.rs",
        "a black hole holds nobody up (RFC 8305: connection attempt delay)";
    /// One of those who wait for the same name is told its addresses.
    AnswerForOne, "answer-for-one", "net/names.rs",
        "one question, an answer for everybody";
    /// The addresses of a name are kept for ever.
    NamesNeverAge, "names-never-age", "net/names.rs",
        "what is kept grows old (a server that moved is never found again)";

    // protocol

    /// A connection that broke is told of its end twice.
    CloseToldTwice, "close-told-twice", "protocol/dispatcher.rs",
        "one end for each connection (asyncore: handle_close twice under poll; gnet #29)";
    /// A connection that was reset is not told of its end.
    ResetUntold, "reset-untold", "protocol/dispatcher.rs",
        "every open has its close (Tornado: ERROR events never come)";
    /// A handler that panicked keeps its connection.
    PanicKeepsConnection, "panic-keeps-connection", "protocol/dispatcher.rs",
        "a panic costs the connection, no more and no less (Tornado: failing handle_stream)";
    /// A panic in a handler ends the loop.
    PanicEndsLoop, "panic-ends-loop", "protocol/dispatcher.rs",
        "user errors are confined (SimpleReactor: a zlib error ends the loop)";
    /// The error of a handler is ignored.
    FailureIgnored, "failure-ignored", "protocol/dispatcher.rs",
        "a handler that gives up is closed (Tornado: failing handle_stream leaves the socket)";
    /// The slot of an attempt that failed is not given up.
    FailedConnectKeepsSlot, "failed-connect-keeps-slot", "protocol/dispatcher.rs",
        "slots return to zero (Netty CVE-2026-42577: channels leak)";
    /// Messages to a connection that is being opened are dropped.
    EarlyMessagesLost, "early-messages-lost", "protocol/dispatcher.rs",
        "what was taken is delivered (muduo: shutdown ignores queued sends)";
    /// A peer that the factory declines keeps its socket.
    DeclinedPeerLeaks, "declined-peer-leaks", "protocol/dispatcher.rs",
        "each error path gives the descriptor back (gnet #572, Envoy CVE-2020-8663)";
    /// A message to another connection is delivered within the call that sends it.
    NestedCallback, "nested-callback", "protocol/reactor/conns.rs",
        "no callback within a callback (Envoy CVE-2022-23606: use a queue, not recursion)";
    /// A timer that is cancelled in the turn in which it is due fires all the same.
    CancelledTimerFires, "cancelled-timer-fires", "net/mod.rs",
        "a cancel holds within the batch (muduo: same-batch cancel does not stop a one-shot)";
    /// A repeated call is set from the present, not from the grid.
    PeriodicDrift, "periodic-drift", "protocol/calls.rs",
        "a period has a grid (Tornado PeriodicCallback)";
    /// A delimiter that is cut in two by a receive is not found.
    CutDelimiterMissed, "cut-delimiter-missed", "base/input.rs",
        "any cutting of the input gives the same frames (asynchat find_prefix_at_end)";
    /// What was posted before a stop does not run.
    PostsLostAtStop, "posts-lost-at-stop", "protocol/turning.rs",
        "a stop comes after what was asked before (Twisted: stop drops unsent data)";
    /// A stopping loop waits for its connections without end.
    DrainWithoutDeadline, "drain-without-deadline", "protocol/turning.rs",
        "every wait has a deadline (a soft stop that never ends)";
    /// A stop forgets the attempts to connect.
    StopForgetsConnecting, "stop-forgets-connecting", "protocol/turning.rs",
        "each attempt has exactly one outcome, also at the end (muduo: stop)";
    /// A peer is lost when the loop that should take it refuses.
    HandOverLosesPeer, "hand-over-loses-peer", "protocol/turning.rs",
        "who cannot hand over serves (no accepted socket is lost when a loop goes)";
    /// A read that waits at the end of its connection is never answered.
    ReadLostAtClose, "read-lost-at-close", "protocol/stream/state.rs",
        "every read has one outcome (Tornado: futures that never resolve)";

    // endpoint

    /// An attempt keeps its slot of the limit when it is over.
    SlotKept, "slot-kept", "endpoint/attempt_limit.rs",
        "slots return, whatever the outcome";

    // service

    /// A relay passes a reset on as an end.
    RelayEndsForReset, "relay-ends-for-reset", "service/relay.rs",
        "half of the bytes must not look like all of them (truncation)";
    /// A relay does not pass a FIN on.
    RelayKeepsEnd, "relay-keeps-end", "service/relay.rs",
        "ends pass through (a pipe of netcat that never finishes)";
    /// A slow member is sent to as any other, whatever the group's rule.
    SlowMembersServed, "slow-members-served", "service/members.rs",
        "a slow member has a limit of its own (ws CVE-2020-35896)";
    /// A connection that ended stays a member.
    MembershipKept, "membership-kept", "service/members.rs",
        "members leave by themselves (asyncore's chats: dead peers in the list)";
    /// A peer that has fallen silent is kept.
    DeadPeersKept, "dead-peers-kept", "service/heartbeat.rs",
        "silence has an end (a peer without power sends no FIN)";
}
