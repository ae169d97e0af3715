//! A protocol that is read in steps: a head of lines, then a body as long as the head says.
//!
//! Each read says what it waits for, and takes the function that goes on from there. How the bytes
//! are cut on their way makes no difference, and what is not read yet holds its sender back.
//!
//! Follows the server of seed 004, Tornado's `read_until` and `read_bytes`.
//!
//! ```sh
//! cargo run -p examples --bin 23_stream
//! ```
//!
//! expect: PUT /greeting, 11 bytes: hello world
//! expect: PUT /empty, 0 bytes:
//! expect: the server says: kept 11
//! expect: the server says: kept 0
//! expect: the server says: the head is too long
//! expect: the end

use net_reactor::prelude::*;
use net_reactor::{Amount, ReadError};

/// A head that is longer is refused.
const HEAD_BYTES_MAX: usize = 200;

/// Reads a head, up to its empty line.
fn serve(stream: &mut StreamConn<'_>) -> Flow {
    stream.read_until(b"\r\n\r\n", HEAD_BYTES_MAX, |stream, head| match head {
        Ok(head) => {
            let head = String::from_utf8(head.to_vec())?;
            read_body(stream, head)
        }
        Err(ReadError::TooLong { .. }) => {
            // The stream closes by itself, after this.
            stream.write("the head is too long\n")?;
            Ok(())
        }
        // Such as the peer's end between two requests, which is a fine place for it.
        Err(error) => Err(error.into()),
    })?;
    Ok(())
}

/// Reads the body, answers, and goes on with the next head.
fn read_body(stream: &mut StreamConn<'_>, head: String) -> Flow {
    let length = head.lines().find_map(|line| line.strip_prefix("length: "));
    let length: usize = length.ok_or_else(|| Failure::msg("a head without length"))?.parse()?;
    stream.read_bytes(length, Amount::Whole, move |stream, body| {
        let body = body?;
        let what = head.lines().next().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        println!("{}", format!("{what}, {length} bytes: {text}").trim_end());
        stream.write(format!("kept {length}\n"))?;
        serve(stream)
    })?;
    Ok(())
}

/// Sends requests at once, and prints the answers, line by line.
fn ask(stream: &mut StreamConn<'_>) -> Flow {
    stream.write("PUT /greeting\r\nlength: 11\r\n\r\nhello world")?;
    stream.write("PUT /empty\r\nlength: 0\r\n\r\n")?;
    let endless = "x".repeat(HEAD_BYTES_MAX);
    stream.write_then(endless, |stream, sent| {
        sent?;
        print_lines(stream)
    })?;
    Ok(())
}

fn print_lines(stream: &mut StreamConn<'_>) -> Flow {
    stream.read_until(b"\n", 100, |stream, line| {
        let Ok(line) = line else {
            println!("the end");
            stream.reactor().stop();
            return Ok(());
        };
        print!("the server says: {}", String::from_utf8_lossy(line));
        print_lines(stream)
    })?;
    Ok(())
}

fn main() -> Result<(), Error> {
    let server = Server::new(|_peer| Stream::new(serve)).spawn("127.0.0.1:0")?;
    Client::new(|| Stream::new(ask)).connect(server.local_address())?.run()?;
    server.handle().stop();
    server.join()?;
    Ok(())
}
