//! Logic on a thread of its own: the loop passes requests on, answers come back through handles.
//!
//! Follows the text of seed 000 (SimpleReactor), which wants the network on one thread and the
//! logic on another, with a `send` that any thread may call.
//!
//! ```sh
//! cargo run -p examples --bin 06_threaded_logic
//! ```
//!
//! expect: order 1: tea for guest at <addr>
//! expect: order 2: cake for guest at <addr>
//! expect: order 3: more tea for guest at <addr>

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use net_reactor::prelude::*;

/// What the loop tells the logic, with the way back.
struct Order {
    item: String,
    guest: Address,
    reply_to: ConnHandle,
}

struct Waiter(Sender<Order>);

impl Protocol for Waiter {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(line) = input.line(80)? {
            let item = String::from_utf8_lossy(line).into_owned();
            self.0.send(Order { item, guest: conn.peer_address(), reply_to: conn.handle() })?;
        }
        Ok(())
    }
}

/// Plain code that may block, and owns its state.
fn cook(number: usize, order: &Order) {
    let answer = format!("order {number}: {} for guest at {}\n", order.item, order.guest);
    // A guest who has left does not get the meal.
    let _ = order.reply_to.send(answer);
}

fn dine(address: &Address) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"tea\ncake\nmore tea\n")?;
    for line in BufReader::new(stream).lines().take(3) {
        println!("{}", line?);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let (waiter, kitchen) = mpsc::channel();
    let server = Server::new(move |_peer| Waiter(waiter.clone())).listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    // Ends with the server: the last sender goes with the last connection.
    thread::spawn(move || (1..).zip(kitchen).for_each(|(number, order)| cook(number, &order)));
    thread::spawn(move || {
        dine(&address).unwrap_or_else(|error| println!("no dinner: {error}"));
        handle.stop();
    });
    server.run()?;
    Ok(())
}
