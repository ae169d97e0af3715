//! Streams: what each read gets, under every way in which bytes and ends can arrive.
//!
//! The numbers in the tests are those of Tornado's in the list of tests worth porting.

mod awaited;
mod connecting;
mod ends;
mod flow;
mod futures;
mod limits;
mod mixed;
mod reads;
mod support;
mod writes;
