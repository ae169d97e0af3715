//! The child's side: listen, say the port, serve, answer `stat`, end with stdin.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process;
use std::thread;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::args::ServeArguments;
use crate::failure::{Explain, Failure, Outcome};
use crate::machine::usage::Usage;
use crate::machine::{allocations, cores};

/// Large enough that ten thousand connections in a row never meet a full queue: a dropped SYN is
/// sent again only after a second.
const BACKLOG: i32 = 4096;

/// Serves until stdin closes, which ends the process.
pub(crate) fn serve(arguments: &ServeArguments) -> Outcome<()> {
    let contender = arguments.suite.find(&arguments.contender)?;
    cores::raise_descriptor_limit()?;
    let listener = listen_on(arguments.port)?;
    let port = listener.local_addr().explain("cannot read the listener's port")?.port();
    writeln!(io::stdout(), "{port}").explain("cannot tell the port")?;

    thread::Builder::new()
        .name("control".to_owned())
        .spawn(answer_until_stdin_closes)
        .explain("cannot start the control thread")?;
    // Pinned only now, so that the control thread does not take time from the serving core.
    if let Some(core) = arguments.core {
        cores::pin(core)?;
    }
    if arguments.count_allocations {
        allocations::start_counting();
    }
    (contender.serve)(listener).explain(format_args!("the {} server ended", contender.name))?;
    Err(Failure::new(format!("the {} server ended by itself", contender.name)))
}

fn listen_on(port: u16) -> Outcome<TcpListener> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let open = || {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok::<_, rustix::io::Errno>(TcpListener::from(socket))
    };
    open().explain(format_args!("cannot listen on {address}"))
}

fn answer_until_stdin_closes() {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = match (line.trim(), Usage::of_this_process()) {
            ("stat", Ok(usage)) => usage.to_line(),
            ("stat", Err(failure)) => failure.to_string(),
            (other, _) => format!("unknown command {other:?}; known: stat"),
        };
        if writeln!(io::stdout(), "{answer}").is_err() {
            break;
        }
    }
    process::exit(0);
}
