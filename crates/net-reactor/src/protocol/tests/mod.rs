//! The loop over the kernel in memory: what it promises, at exact times.

mod accepting;
mod admission;
mod bare;
mod chaos;
mod closing;
mod conn_timers;
mod connecting;
mod dialling;
mod errnos;
mod faults;
mod framed;
#[cfg(feature = "zlib")]
mod layers;
mod names;
mod periodic;
mod pressure;
mod rates;
mod reading;
mod remains;
mod rig;
mod scripts;
mod spinning;
mod spreading;
mod stopping;
mod streams;
mod teller;
mod timeouts;
mod timers;
mod timers_model;
mod turn_order;
