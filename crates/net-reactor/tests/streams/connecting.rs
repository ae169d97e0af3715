//! Streams of clients.

use net_reactor::prelude::*;
use net_reactor::{Amount, ConnectError};

use super::support::Log;

/// Tornado 55: what was written before the connection was open goes out when it is, and first the
/// stream starts.
#[test]
fn a_clients_stream_starts_when_it_is_open_and_sends_what_was_written_before() {
    fn echo(stream: &mut StreamConn<'_>) -> Flow {
        stream.read_bytes(100, Amount::Partial, |stream, bytes| {
            stream.write(bytes?)?;
            echo(stream)
        })?;
        Ok(())
    }
    let log = Log::default();
    let noted = log.clone();
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    let address = ([127, 0, 0, 1], 0);
    let listener = reactor
        .listen(address, &Default::default(), Default::default(), |_| Stream::new(echo))
        .unwrap();
    let address = reactor.listener_address(listener).unwrap().ip().unwrap();
    let stream = Stream::new(move |stream| {
        noted.note("open");
        stream.read_until(b"!", 100, move |stream, bytes| {
            noted.read(bytes);
            stream.reactor().stop_now();
            Ok(())
        })?;
        Ok(())
    });
    let id = reactor.connect(address, stream).unwrap();
    reactor.write(id, "early!").unwrap();
    event_loop.run().unwrap();
    assert_eq!(log.take(), ["open", "early!"]);
}

/// Tornado 55.
#[test]
fn a_refused_connection_is_told_with_its_cause_and_nothing_else_is() {
    let log = Log::default();
    let noted = log.clone();
    // Nobody listens there any more once the listener is dropped.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let stream =
        Stream::new(|_| unreachable!("it is not open")).on_connect_failed(move |reactor, error| {
            assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
            noted.note("refused");
            reactor.stop();
        });
    event_loop.reactor().connect(address, stream).unwrap();
    event_loop.run().unwrap();
    assert_eq!(log.take(), ["refused"]);
}
