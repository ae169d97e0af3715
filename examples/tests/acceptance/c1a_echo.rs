//! C1a: an echo server on its own loop thread returns every message, in order, per connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, ThreadId};

use net_reactor::Balance;
use net_reactor::prelude::*;

use crate::background::{Background, connect};

/// Echoes, and tells on which thread.
struct Echo {
    threads: Sender<ThreadId>,
}

impl Protocol for Echo {
    fn on_open(&mut self, _conn: &mut Conn<'_>) -> Flow {
        self.threads.send(thread::current().id())?;
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.write(input.take_all())?;
        Ok(())
    }
}

const CONNECTIONS: usize = 8;
const MESSAGES: usize = 2_000;

/// Everything one client sends: numbered messages of uneven lengths.
fn messages(client: usize) -> Vec<u8> {
    let message = |number| format!("{client}/{number}:{}\n", "x".repeat(number * 7 % 301));
    (0..MESSAGES).flat_map(|number| message(number).into_bytes()).collect()
}

/// Sends all messages while it reads what comes back.
fn converse(address: std::net::SocketAddr, sent: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(address)?;
    let mut writer = stream.try_clone()?;
    let mut received = Vec::new();
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            writer.write_all(sent)?;
            writer.shutdown(Shutdown::Write)
        });
        stream.read_to_end(&mut received)?;
        writing.join().expect("the writer does not panic")
    })?;
    Ok(received)
}

#[test]
fn every_message_comes_back_in_order_from_the_servers_own_thread() {
    let (threads, seen) = mpsc::channel();
    let server = Background::start(move || {
        let factory = move |_: &Peer| Echo { threads: threads.clone() };
        Server::new(factory).listen("127.0.0.1:0")
    })
    .unwrap();
    let (address, loop_thread) = (server.address, server.thread_id());
    thread::scope(|scope| {
        for client in 0..CONNECTIONS {
            scope.spawn(move || {
                let sent = messages(client);
                assert!(converse(address, &sent).unwrap() == sent, "client {client}");
            });
        }
    });
    assert_eq!(server.stop().aborted, 0);
    assert_eq!(seen.iter().collect::<Vec<_>>(), [loop_thread; CONNECTIONS]);
}

#[test]
fn several_loops_keep_the_order_of_each_connection_too() {
    for balance in [Balance::ReusePort, Balance::LeastLoaded] {
        let (threads, seen) = mpsc::channel();
        let server = Background::start(move || {
            let factory = move |_: &Peer| Echo { threads: threads.clone() };
            Server::new(factory).loops(2).balance(balance).listen("127.0.0.1:0")
        })
        .unwrap();
        let address = server.address;
        thread::scope(|scope| {
            for client in 0..CONNECTIONS {
                scope.spawn(move || {
                    let sent = messages(client);
                    assert!(converse(address, &sent).unwrap() == sent, "client {client}");
                });
            }
        });
        assert_eq!(server.stop().aborted, 0);
        assert_eq!(seen.iter().count(), CONNECTIONS);
    }
}
