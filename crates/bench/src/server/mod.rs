//! A server in a process of its own, so that its CPU time and memory are its own too.
//!
//! ```text
//!   reactor-bench echo                      reactor-bench serve
//!   load thread  --- TCP, 127.0.0.1 --->    serving thread (pinned)
//!   ServerProcess -- stdin: "stat\n" --->   control thread
//!                <-- stdout: port, usage -- control thread
//! ```

pub(crate) mod process;
pub(crate) mod serve;
