//! Servers and clients in linear code, whose reads are taken back in the middle.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Amount, AsyncLoop, AsyncStream};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::stream::Stream as Bytes;

const LINE_BYTES_MAX: usize = 60;
const BODY_BYTES_MAX: u64 = 200_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the numbers in a line.
fn numbers(line: &[u8]) -> (u64, u64) {
    let text = std::str::from_utf8(line).expect("lines are text");
    let mut numbers = text.split_whitespace().map(|word| word.parse().expect("a number"));
    (numbers.next().expect("a first"), numbers.next().expect("a second"))
}

/// Reads a line, and gives up and begins again a few times on the way.
async fn read_line(stream: &mut AsyncStream, lot: &Lot) -> Result<Vec<u8>, Failure> {
    let tasks = stream.async_loop();
    for _ in 0..lot.below(4) {
        let patience = lot.time(Duration::from_millis(200));
        if let Ok(line) = tasks.timeout(patience, stream.read_until(b"\n", LINE_BYTES_MAX)).await {
            return Ok(line?);
        }
    }
    Ok(tasks.timeout(PATIENCE, stream.read_until(b"\n", LINE_BYTES_MAX)).await??)
}

/// Answers one request after the other.
async fn serve(mut stream: AsyncStream, lot: Lot) -> Flow {
    let tasks = stream.async_loop();
    loop {
        let (number, length) = numbers(&read_line(&mut stream, &lot).await?);
        let mut body = Bytes::new(number);
        while body.place() < length {
            let left = usize::try_from(length - body.place())?;
            // Some bytes, or all of them; or some of them while the patience lasts.
            match lot.below(3) {
                0 => {
                    let read = stream.read_bytes(left, Amount::Whole);
                    body.check(&tasks.timeout(PATIENCE, read).await??);
                }
                1 => {
                    let read = stream.read_bytes(left, Amount::Partial);
                    body.check(&tasks.timeout(PATIENCE, read).await??);
                }
                _ => {
                    let mut some = Vec::new();
                    let read = stream.read_into(&mut some, left, Amount::Whole);
                    let patience = lot.time(Duration::from_secs(2));
                    let ended = matches!(tasks.timeout(patience, read).await, Ok(Err(_)));
                    body.check(&some);
                    if ended {
                        return Ok(());
                    }
                }
            }
        }
        let written = stream.write(format!("{number} {length}\n"));
        if lot.below(2) == 0 {
            written.await?;
        }
    }
}

/// Asks one question after the other, and counts the answers.
async fn ask(stream: &mut AsyncStream, lot: &Lot, answered: &Counter) -> Flow {
    let tasks = stream.async_loop();
    loop {
        let (number, length) = (lot.below(1 << 40), lot.size(BODY_BYTES_MAX));
        let head = stream.write(format!("{number} {length}\n"));
        let body = stream.write(Bytes::new(number).make(length));
        let answer = read_line(stream, lot).await?;
        assert_eq!(numbers(&answer), (number, length), "another answer");
        // Who has the answer has had both taken, in this order.
        head.await?;
        body.await?;
        answered.add(1);
        tasks.sleep(lot.time(Duration::from_secs(2))).await;
    }
}

async fn keep_asking(tasks: AsyncLoop, lot: Lot, answered: Counter) {
    loop {
        let connecting = tasks.connect("hub:9000").expect("it is a target");
        // Some attempts are dropped under way.
        let patience = lot.time(Duration::from_secs(20));
        if let Ok(Ok(mut stream)) = tasks.timeout(patience, connecting).await {
            // Whatever it was, the next connection may do better.
            let _failure = ask(&mut stream, &lot, &answered).await;
        }
        tasks.sleep(lot.time(Duration::from_secs(5))).await;
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let answered = counters(sim.pick("clients", 1..=3));
    let lot = Lot::new(sim);
    let draws = lot.clone();
    sim.host("hub", move |boot| {
        let lot = draws.clone();
        let server = Server::new(move |_: &Peer| {
            let lot = lot.clone();
            AsyncStream::serve(move |stream| serve(stream, lot))
        });
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in answered.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let tasks = boot.reactor().async_loop();
            boot.reactor().spawn(keep_asking(tasks, lot.clone(), answered.clone()));
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answered, Duration::from_secs(300), "questions are answered again");
}
