//! Programs of others at the other end: Twisted's receivers, Tornado's client and streams, asyncio's
//! streams, socat and nc, against our servers and our clients against theirs.
//!
//! `./check peers` installs them; without that, each test says that it was not tried. Where the
//! variable `CI` is set they have to be there.

#![cfg(unix)]

mod clients;
mod framing;
mod program;
mod servers;
mod tools;
