//! A server from a closure, for when a type would be too much.
//!
//! Follows the callback of seed 000 (SimpleReactor's `set_app_data_callback`). Each connection gets
//! a clone of the closure, so what it captures belongs to that connection alone.
//!
//! ```sh
//! cargo run -p examples --bin 07_closure_echo
//! ```
//!
//! expect: first: 1 hello, 2 again, 3 bye
//! expect: second: 1 hi

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use net_reactor::prelude::*;

/// Sends `text` and returns the lines of the answer in one.
fn ask(address: &Address, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    Ok(io::read_to_string(stream)?.trim_end().replace('\n', ", "))
}

fn main() -> Result<(), Error> {
    let mut lines = 0;
    let server = Server::on_data(move |conn, input| {
        while let Some(line) = input.line(1024)? {
            lines += 1;
            conn.write(format!("{lines} "))?;
            conn.write(line)?;
            conn.write("\n")?;
        }
        Ok(())
    });
    let server = server.listen("127.0.0.1:0")?;
    let (address, handle) = (server.local_address(), server.handle());
    thread::spawn(move || {
        for (name, text) in [("first", "hello\nagain\nbye\n"), ("second", "hi\n")] {
            match ask(&address, text) {
                Ok(answer) => println!("{name}: {answer}"),
                Err(error) => println!("{name}: {error}"),
            }
        }
        handle.stop();
    });
    server.run()?;
    Ok(())
}
