//! A chat: each line goes to everybody who is there.

mod log;
mod member;
mod name;
mod pace;
mod room;

use net_reactor::{Framed, Peer, Server};

pub(super) use self::log::Log;
use self::log::Printer;
pub(super) use self::member::Member;
pub(super) use self::room::{Limits, Room};
use super::serve;
use crate::args::ChatArgs;
use crate::failure::Failure;

/// Serves until a signal.
pub(crate) fn run(args: &ChatArgs) -> Result<(), Failure> {
    let limits = Limits {
        members_max: args.max_members.get(),
        line_bytes_max: args.max_line.get(),
        lines_per_second: args.max_rate,
    };
    let printer = Printer::start()?;
    let room = Room::new(limits, printer.log());
    let server = Server::new(move |peer: &Peer| {
        room.log().line(format!("New connection from {}", peer.address()));
        member(&room)
    });
    let served = serve::run(&args.serve, server);
    printer.end();
    served
}

/// Makes the handler of somebody who comes in.
pub(super) fn member(room: &Room) -> Framed<net_reactor::codec::Lines, Member> {
    Framed::new(room.codec(), Member::new(room))
}
