//! Handlers made of one closure.

use std::fmt;

use crate::base::Input;
use crate::protocol::{Conn, Flow, Protocol};

/// A handler that is one closure, called with each connection's data.
///
/// [`Server::on_data`](crate::Server::on_data) makes one for each connection by cloning the
/// closure, so what it captures by value belongs to one connection alone.
#[derive(Clone)]
pub struct OnData<C> {
    call: C,
}

impl<C> OnData<C>
where
    C: FnMut(&mut Conn<'_>, &mut Input<'_>) -> Flow + 'static,
{
    /// Makes a handler of a closure.
    pub fn new(call: C) -> Self {
        Self { call }
    }
}

impl<C> Protocol for OnData<C>
where
    C: FnMut(&mut Conn<'_>, &mut Input<'_>) -> Flow + 'static,
{
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        (self.call)(conn, input)
    }
}

impl<C> fmt::Debug for OnData<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnData")
    }
}
