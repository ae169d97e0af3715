//! Requests that are read in steps, each in another way, by streams on both sides.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Amount, ReadError};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream as Bytes;

const ASK: Tag = Tag(1);
const READ_ON: Tag = Tag(2);
const OVERDUE: Tag = Tag(3);

const LINE_BYTES_MAX: usize = 60;
const BODY_BYTES_MAX: u64 = 400_000;
/// How the body of a request is to be read.
const WAYS: u64 = 6;
/// This one: until the end of the connection.
const UNTIL_CLOSE: u64 = WAYS - 1;

/// What a request's line says.
#[derive(Debug, Clone, Copy)]
struct Request {
    way: u64,
    number: u64,
    body_bytes: u64,
}

impl Request {
    fn line(self) -> String {
        format!("{} {} {}\n", self.way, self.number, self.body_bytes)
    }

    fn parse(line: &[u8]) -> Self {
        let text = std::str::from_utf8(line).expect("requests are text");
        let mut numbers = text.split_whitespace().map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        Self { way: next(), number: next(), body_bytes: next() }
    }

    fn body(self) -> Bytes {
        Bytes::new(self.number)
    }
}

/// Writes, and counts those that wait to be told.
fn write(stream: &mut StreamConn<'_>, bytes: Vec<u8>, untold: &Counter) -> Flow {
    let told = untold.clone();
    stream.write_then(bytes, move |_, _| {
        told.take_away(1);
        Ok(())
    })?;
    untold.add(1);
    Ok(())
}

/// Sets what both sides check at the end: that nothing is left to be told.
fn prepare(stream: &mut StreamConn<'_>) -> Counter {
    let untold = Counter::default();
    let left = untold.clone();
    stream.on_close(move |stream, reason| {
        assert_eq!(left.get(), 0, "writes were not told of the end: {reason}");
        assert!(!stream.has_pending_read(), "a read was not told of the end: {reason}");
    });
    untold
}

/// Serves one request after the other.
fn serve(stream: &mut StreamConn<'_>, untold: Counter) -> Flow {
    stream.set_timer(OVERDUE, Duration::from_secs(60));
    stream.read_until(b"\n", LINE_BYTES_MAX, move |stream, line| {
        let request = Request::parse(line?);
        let length = usize::try_from(request.body_bytes)?;
        match request.way {
            0 => stream.read_bytes(length, Amount::Whole, move |stream, body| {
                request.body().check(body?);
                answer(stream, request, untold)
            })?,
            1 => {
                stream.read_into(Vec::new(), length, Amount::Whole, move |stream, body, read| {
                    request.body().check(&body);
                    read?;
                    answer(stream, request, untold)
                })?
            }
            2 => in_pieces(stream, request, request.body(), untold)?,
            3 => {
                // Later, and from elsewhere: the connection is paused until then.
                stream.set_timer(READ_ON, Duration::from_millis(request.number % 3_000));
                stream.on_timer(move |stream, tag| match tag {
                    READ_ON => in_pieces(stream, request, request.body(), untold.clone()),
                    _ => give_up(stream),
                });
            }
            UNTIL_CLOSE => stream.read_until_close(move |stream, body| {
                let body = body?;
                request.body().check(&body);
                if stream.close_reason().is_none() && stream.is_open() {
                    assert_eq!(body.len() as u64, request.body_bytes, "the end came early");
                }
                answer(stream, request, untold)
            })?,
            _ => stream.read_bytes(length, Amount::Whole, move |stream, body| {
                // The answer goes first, and the rest of the work is done behind a read of nothing.
                request.body().check(body?);
                stream.read_bytes(0, Amount::Whole, move |stream, none| {
                    none?;
                    answer(stream, request, untold)
                })?;
                Ok(())
            })?,
        }
        Ok(())
    })?;
    Ok(())
}

fn in_pieces(
    stream: &mut StreamConn<'_>,
    request: Request,
    mut body: Bytes,
    untold: Counter,
) -> Flow {
    let left = usize::try_from(request.body_bytes - body.place())?;
    if left == 0 {
        return answer(stream, request, untold);
    }
    stream.read_bytes(left, Amount::Partial, move |stream, piece| {
        body.check(piece?);
        in_pieces(stream, request, body, untold)
    })?;
    Ok(())
}

fn answer(stream: &mut StreamConn<'_>, request: Request, untold: Counter) -> Flow {
    if stream.is_open() {
        write(stream, request.line().into_bytes(), &untold)?;
    }
    match serve(stream, untold) {
        // After the last request of a connection.
        Err(failure) if request.way == UNTIL_CLOSE => drop(failure),
        served => served?,
    }
    Ok(())
}

fn give_up(stream: &mut StreamConn<'_>) -> Flow {
    stream.abort();
    Ok(())
}

/// Asks one question after the other.
#[derive(Clone)]
struct Client {
    lot: Lot,
    answered: Counter,
}

impl Client {
    fn start(self, stream: &mut StreamConn<'_>) -> Flow {
        let untold = prepare(stream);
        let client = self.clone();
        let written = untold.clone();
        stream.on_timer(move |stream, tag| match tag {
            ASK => client.clone().ask(stream, &written),
            _ => give_up(stream),
        });
        self.ask(stream, &untold)
    }

    fn ask(self, stream: &mut StreamConn<'_>, untold: &Counter) -> Flow {
        stream.set_timer(OVERDUE, Duration::from_secs(30));
        let request = Request {
            way: self.lot.below(WAYS),
            number: self.lot.below(1 << 40),
            body_bytes: self.lot.size(BODY_BYTES_MAX),
        };
        let mut body = request.body();
        write(stream, request.line().into_bytes(), untold)?;
        while body.place() < request.body_bytes {
            let piece = (request.body_bytes - body.place()).min(100_000);
            write(stream, body.make(piece), untold)?;
        }
        if request.way == UNTIL_CLOSE {
            stream.shutdown_write()?;
        }
        stream.read_until(b"\n", LINE_BYTES_MAX, move |stream, line| {
            match line {
                Ok(line) => assert_eq!(line, request.line().as_bytes(), "another answer"),
                Err(ReadError::TooLong { .. }) => panic!("the answer is too long"),
                Err(error) => return Err(error.into()),
            }
            self.answered.add(1);
            stream.set_timer(OVERDUE, Duration::from_secs(30));
            if request.way == UNTIL_CLOSE {
                stream.read_until_close(|_, rest| {
                    assert_eq!(rest, Ok(Vec::new()), "nothing follows the last answer");
                    Ok(())
                })?;
            } else {
                stream.set_timer(ASK, self.lot.time(Duration::from_secs(2)));
            }
            Ok(())
        })?;
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let answered = counters(sim.pick("clients", 1..=3));
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let server = Server::new(|_: &Peer| {
            Stream::new(|stream| {
                let untold = prepare(stream);
                stream.on_timer(|stream, _| give_up(stream));
                serve(stream, untold)
            })
        });
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in answered.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let client = Client { lot: lot.clone(), answered: answered.clone() };
            let make = move || {
                let client = client.clone();
                Stream::new(move |stream| client.start(stream))
            };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    // The kernel of a killed process sends its FIN wherever the stream is.
    sim.faults(Faults::swarm().without(Fault::ProcessKill));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answered, Duration::from_secs(300), "requests are answered again");
}
