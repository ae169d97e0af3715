//! Streams that are awaited: the same rules, and reads that are taken back.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation, Solo};
use net_reactor::{Amount, AsyncStream, ConnConfig, ConnectError, Pattern, WriteRefused};

use super::support::Log;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Serves a connection alone; how the future ended is noted.
fn solo<F>(log: &Log, serve: impl FnOnce(AsyncStream, Log) -> F + 'static) -> Solo<impl Protocol>
where
    F: Future<Output = Flow> + 'static,
{
    solo_with(ConnConfig::default(), log, serve)
}

fn solo_with<F>(
    config: ConnConfig,
    log: &Log,
    serve: impl FnOnce(AsyncStream, Log) -> F + 'static,
) -> Solo<impl Protocol>
where
    F: Future<Output = Flow> + 'static,
{
    let log = log.clone();
    let served = move |stream| async move {
        let flow = serve(stream, log.clone()).await;
        log.note(if flow.is_ok() { "served" } else { "gave up" });
        flow
    };
    Solo::with_config(config, AsyncStream::serve(served))
}

#[test]
fn reads_of_every_kind_follow_each_other_however_the_bytes_are_cut() {
    for byte_by_byte in [false, true] {
        let log = Log::default();
        let mut solo = solo(&log, |mut stream, log| async move {
            log.read(Ok(&stream.read_until(b"\r\n", 10).await?));
            log.read(Ok(&stream.read_until_regex(&Pattern::new("[b-z]c")?, 10).await?));
            let mut buffer = b"> ".to_vec();
            stream.read_into(&mut buffer, 4, Amount::Whole).await?;
            log.read(Ok(&buffer));
            log.read(Ok(&stream.read_bytes(0, Amount::Whole).await?));
            log.read(Ok(&stream.read_bytes(1, Amount::Partial).await?));
            log.read(Ok(&stream.read_until_close().await?));
            Ok(())
        });
        let feed = "head\r\nabc1234!the rest";
        if byte_by_byte {
            solo.feed_each_byte(feed);
        } else {
            solo.feed(feed);
        }
        assert_eq!(log.take(), ["head\r\n", "abc", "> 1234", "", "!"]);
        solo.finish();
        assert_eq!(log.take(), ["the rest", "served"]);
        assert!(matches!(solo.close_reason(), Some(CloseReason::Closed)));
    }
}

#[test]
fn an_end_leaves_short_bytes_readable_and_is_no_failure_when_passed_on() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        log.value(stream.read_bytes(10, Amount::Whole).await);
        log.value(stream.read_until(b"\n", 10).await);
        log.read(Ok(&stream.read_bytes(2, Amount::Whole).await?));
        log.read(Ok(&stream.read_bytes(10, Amount::Partial).await?));
        stream.write("bye").await?;
        stream.read_bytes(1, Amount::Partial).await?;
        unreachable!("there is nothing left");
    });
    solo.feed("abc");
    solo.finish();
    assert_eq!(log.take(), ["Err(Ended)", "Err(Ended)", "ab", "c", "gave up"]);
    assert_eq!(solo.output(), b"bye");
    assert!(matches!(solo.close_reason(), Some(CloseReason::PeerClosed)));
}

#[test]
fn a_violation_closes_after_a_last_word() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        let too_long = stream.read_until(b"\n", 3).await;
        log.value(&too_long);
        log.value(stream.read_bytes(1, Amount::Whole).await);
        stream.write("too long").await?;
        // The stream is kept, and closes all the same.
        log.value(stream.async_loop().timeout(secs(1), stream.read_until_close()).await);
        Ok(())
    });
    solo.feed("abcdef");
    assert_eq!(log.take(), ["Err(TooLong { limit_bytes: 3 })", "Err(Closed)"].map(String::from));
    assert_eq!(solo.output(), b"too long");
    assert!(solo.saw_fin());
    solo.finish();
    assert!(matches!(solo.close_reason(), Some(CloseReason::Malformed { .. })));
}

#[test]
fn a_full_buffer_ends_the_read_and_the_stream() {
    let log = Log::default();
    let config = ConnConfig::default().input_max(1_000);
    let mut solo = solo_with(config, &log, |mut stream, log| async move {
        let full = stream.read_until(b"\n", 100_000).await;
        log.value(&full);
        full?;
        Ok(())
    });
    solo.feed(vec![b'x'; 1_000]);
    assert!(log.take().is_empty());
    solo.feed("x");
    solo.finish();
    assert_eq!(log.take(), ["Err(BufferFull { limit_bytes: 1000 })", "gave up"]);
    assert!(matches!(solo.close_reason(), Some(CloseReason::InputOverflow { .. })));
}

/// Tornado's defect 60: a cancelled read left the stream reading.
#[test]
fn a_read_that_is_dropped_is_taken_back_and_loses_no_bytes() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        let tasks = stream.async_loop();
        for _ in 0..3 {
            let line = tasks.timeout(secs(1), stream.read_until(b"\n", 100)).await;
            assert!(line.is_err(), "the line is not whole");
            log.note("taken back");
        }
        log.read(Ok(&stream.read_until(b"\n", 100).await?));
        log.read(Ok(&stream.read_bytes(2, Amount::Whole).await?));
        Ok(())
    });
    for piece in ["ab", "cd", ""] {
        solo.feed(piece);
        solo.advance(secs(1));
        assert_eq!(log.take(), ["taken back"]);
    }
    solo.feed("ef\n");
    assert_eq!(log.take(), ["abcdef\n"]);
    solo.feed("gh");
    assert_eq!(log.take(), ["gh", "served"]);
}

#[test]
fn a_read_that_is_dropped_after_its_bytes_came_and_before_it_was_polled_loses_none() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        {
            let mut read = pin!(stream.read_bytes(3, Amount::Whole));
            let mut polls = 0;
            // Begins to read, and is woken by the bytes; the read is not polled again.
            poll_fn(|context| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(());
                }
                assert!(read.as_mut().poll(context).is_pending());
                Poll::Pending
            })
            .await;
        }
        log.read(Ok(&stream.read_bytes(3, Amount::Whole).await?));
        Ok(())
    });
    solo.feed("abc");
    assert_eq!(log.take(), ["abc", "served"]);
}

#[test]
fn writes_resolve_in_order_when_the_kernel_took_them() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        stream.read_bytes(1, Amount::Whole).await?;
        let tasks = stream.async_loop();
        for number in 0..3 {
            let (written, log) = (stream.write(vec![b'x'; 10_000 * number]), log.clone());
            tasks.spawn(async move {
                let result = written.await;
                log.note(format!("{number} {result:?}"));
            });
        }
        // Not awaited, and sent all the same.
        let _written = stream.write("!");
        stream.read_until_close().await?;
        Ok(())
    });
    solo.full(true);
    solo.feed("a");
    assert_eq!(log.take(), ["0 Ok(())"]);
    solo.full(false);
    assert_eq!(log.take(), ["1 Ok(())", "2 Ok(())"]);
    assert_eq!(solo.output().len(), 30_001);
}

#[test]
fn writes_are_refused_or_cut_off_with_a_reason() {
    let log = Log::default();
    let config = ConnConfig::default().output_max(1_000);
    let mut solo = solo_with(config, &log, |mut stream, log| async move {
        stream.read_bytes(1, Amount::Whole).await?;
        let first = stream.write(vec![b'x'; 600]);
        log.value(stream.write(vec![b'y'; 401]).await);
        log.value(first.await);
        log.value(stream.write("z").await);
        log.value(stream.close_reason().map(|reason| reason.to_string()));
        Ok(())
    });
    solo.full(true);
    solo.feed("a");
    assert_eq!(
        log.take(),
        [format!("{:?}", Err::<(), _>(WriteRefused::Full { limit_bytes: 1_000 }))]
    );
    solo.reset();
    let told = log.take();
    assert_eq!(told, ["Err(Closed)", "Err(Closed)", "Some(\"reset by the peer\")", "served"]);
}

/// What a poll asks for is done when it is over, and until then lies in memory.
#[test]
fn a_poll_asks_for_no_more_than_the_queue_may_hold() {
    let log = Log::default();
    let config = ConnConfig::default().output_max(100_000);
    let _solo = solo_with(config, &log, |stream, log| async move {
        for write in [60_000, 40_000, 1].map(|len| stream.write(vec![b'x'; len])) {
            log.value(write.await.is_ok());
        }
        log.value(stream.write(vec![b'y'; 100_000]).await.is_ok());
        let mut empty: Vec<_> = (0..=65_536).map(|_| stream.write("")).collect();
        log.value(empty.pop().unwrap().await.is_err());
        log.value(empty.pop().unwrap().await.is_ok());
        Ok(())
    });
    assert_eq!(log.take(), ["true", "true", "false", "true", "true", "true", "served"]);
}

#[test]
fn a_writer_writes_while_a_read_is_awaited() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        let (writer, tasks) = (stream.writer(), stream.async_loop());
        let beats = tasks.clone();
        tasks.spawn(async move {
            while writer.write(".").await.is_ok() {
                beats.sleep(secs(1)).await;
            }
            log.note("the writer ends");
        });
        stream.read_bytes(1, Amount::Whole).await?;
        Ok(())
    });
    solo.advance(secs(3));
    assert_eq!(solo.output(), b"....");
    solo.feed("a");
    solo.finish();
    assert_eq!(log.take(), ["served"]);
    solo.advance(secs(1));
    assert_eq!(log.take(), ["the writer ends"]);
}

#[test]
fn a_reset_is_told_to_the_read_and_with_the_bytes_to_one_until_the_end() {
    for until_close in [false, true] {
        let log = Log::default();
        let mut solo = solo(&log, move |mut stream, log| async move {
            if until_close {
                log.value(stream.read_until_close().await.map(String::from_utf8));
            } else {
                log.value(stream.read_bytes(9, Amount::Whole).await);
            }
            log.note(stream.close_reason().expect("it is known").to_string());
            Ok(())
        });
        solo.feed("abc");
        solo.reset();
        let told = if until_close { "Ok(Ok(\"abc\"))" } else { "Err(Closed)" };
        assert_eq!(log.take(), [told, "reset by the peer", "served"]);
    }
}

#[test]
fn a_failure_is_the_reason_and_a_panic_aborts() {
    let log = Log::default();
    let mut failed = solo(&log, |_stream, _log| async { Err(Failure::msg("given up")) });
    failed.finish();
    assert!(matches!(failed.close_reason(), Some(CloseReason::HandlerFailed { .. })));

    let mut panicked = Solo::new(AsyncStream::serve(|mut stream| async move {
        stream.read_bytes(1, Amount::Whole).await?;
        panic!("as asked");
    }));
    panicked.allow_panics();
    panicked.feed("a");
    assert!(panicked.was_reset());
    assert!(matches!(panicked.close_reason(), Some(CloseReason::Aborted)));
}

#[test]
fn a_stop_ends_the_read() {
    let log = Log::default();
    let mut solo = solo(&log, |mut stream, log| async move {
        log.value(stream.read_bytes(1, Amount::Whole).await);
        Ok(())
    });
    solo.stop();
    solo.finish();
    assert_eq!(log.take(), ["Err(Closed)", "served"]);
    assert!(solo.stopped().is_some());
}

#[test]
fn who_awaits_no_read_takes_no_more_than_a_turns_share_out_of_the_kernel() {
    let log = Log::default();
    let received = Rc::new(Cell::new(0));
    let seen = Rc::clone(&received);
    let mut solo = solo(&log, |mut stream, _log| async move {
        let tasks = stream.async_loop();
        for _ in 0..50 {
            seen.set(seen.get() + stream.read_bytes(10, Amount::Whole).await?.len());
            tasks.sleep(secs(1)).await;
        }
        Ok(())
    });
    for _ in 0..20 {
        solo.feed(vec![b'x'; 100_000]);
    }
    solo.advance(secs(10));
    let id = solo.id();
    let taken = solo.reactor().conn(id).expect("it is open").stats().bytes_in;
    assert_eq!(received.get(), 110);
    assert!(taken <= 256 * 1024, "{taken} received");
}

/// Tornado 53 for futures: in a world of faults that end no connection, on a client's side.
#[test]
fn random_awaited_reads_together_read_what_was_sent() {
    for seed in 0..6_u8 {
        let sent: Rc<Vec<u8>> = Rc::new(
            (0..200_000_u32)
                .map(|place| place.wrapping_mul(2_654_435_761).to_le_bytes()[3])
                .collect(),
        );
        let read = Rc::new(RefCell::new(Vec::new()));
        let mut sim = Simulation::new(seed.into());
        let bytes = Rc::clone(&sent);
        sim.host("writer", move |boot| {
            let bytes = Rc::clone(&bytes);
            let server = Server::new(move |_: &Peer| {
                let bytes = Rc::clone(&bytes);
                AsyncStream::serve(move |stream| async move {
                    stream.write(bytes.to_vec()).await?;
                    Ok(())
                })
            });
            boot.serve(server, "0.0.0.0:9000").map(drop)
        });
        let collected = Rc::clone(&read);
        sim.host("reader", move |boot| {
            let tasks = boot.reactor().async_loop();
            let collected = Rc::clone(&collected);
            boot.reactor().spawn(async move {
                let mut stream = loop {
                    match tasks.connect("writer:9000").expect("it is a target").await {
                        Ok(stream) => break stream,
                        Err(_) => tasks.sleep(secs(1)).await,
                    }
                };
                for turn in 1_usize.. {
                    let count = turn * 7_919 % 5_000 + 1;
                    let bytes = match turn % 4 {
                        0 => stream.read_bytes(count, Amount::Whole).await,
                        1 => stream.read_bytes(count, Amount::Partial).await,
                        2 => {
                            stream
                                .read_until([u8::try_from(turn % 256).unwrap()].to_vec(), 100_000)
                                .await
                        }
                        _ => {
                            let limit = Duration::from_millis(1);
                            match tasks
                                .timeout(limit, stream.read_bytes(count, Amount::Whole))
                                .await
                            {
                                Ok(bytes) => bytes,
                                Err(_taken_back) => continue,
                            }
                        }
                    };
                    let Ok(bytes) = bytes else { break };
                    collected.borrow_mut().extend(bytes);
                }
                let rest = stream.read_until_close().await.expect("it fits");
                collected.borrow_mut().extend(rest);
            });
            Ok(())
        });
        sim.faults(Faults::harmless());
        let (done, all) = (Rc::clone(&read), sent.len());
        assert!(sim.run_until(secs(600), move |_| done.borrow().len() == all), "seed {seed}");
        assert!(*read.borrow() == *sent, "seed {seed}: other bytes");
    }
}

#[test]
fn connecting_resolves_to_the_failure() {
    let log = Log::default();
    let noted = log.clone();
    let mut event_loop = EventLoop::new().unwrap();
    // Nobody listens there any more once the listener is dropped.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (tasks, handle) = (event_loop.reactor().async_loop(), event_loop.handle());
    event_loop.reactor().spawn(async move {
        let refused = tasks.connect(address).unwrap().await;
        assert!(matches!(refused, Err(ConnectError::Refused { .. })));
        noted.note("told");
        handle.stop();
    });
    event_loop.run().unwrap();
    assert_eq!(log.take(), ["told"]);
}

#[test]
fn an_attempt_that_is_dropped_is_cancelled() {
    let mut sim = Simulation::new(1);
    let server = sim.host("server", |boot| {
        boot.serve(Server::new(|_: &Peer| Stream::new(|_| Ok(()))), "0.0.0.0:9000").map(drop)
    });
    let client = sim.host("client", |boot| {
        let tasks = boot.reactor().async_loop();
        boot.reactor().spawn(async move {
            let connecting = tasks.connect("server:9000").expect("it is a target");
            let outcome = tasks.timeout(secs(2), connecting).await;
            assert!(outcome.is_err(), "there is no way to the server");
        });
        Ok(())
    });
    sim.partition(server, client);
    sim.run_for(secs(1));
    assert_eq!(sim.stats(client).connections, 1, "it tries");
    sim.run_for(secs(2));
    assert_eq!(sim.stats(client).connections, 0, "it gave up");
}
