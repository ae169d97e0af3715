//! Options in a script, such as `linger=20ms`.

use std::net::SocketAddr;

use super::cast::Cast;
use super::words::{Complaint, number, time};
use crate::net::{ConnConfig, ConnectOptions, OnHighMark};
use crate::protocol::LoopConfig;
use crate::sys::ListenOptions;

/// How a listener treats its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reception {
    #[default]
    Welcome,
    Declined,
    Panics,
}

/// The options of a listener.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) at: Option<SocketAddr>,
    pub(super) options: ListenOptions,
    pub(super) config: ConnConfig,
    pub(super) reception: Reception,
}

pub(super) fn listening(cast: &Cast, words: &[String]) -> Result<Listening, Complaint> {
    let mut made = Listening::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "at" => made.at = Some(address(cast, value)?),
            "reuse-port" => made.options = made.options.reuse_port(true),
            "backlog" => {
                let peers = number(value).and_then(|peers| u32::try_from(peers).ok());
                made.options = made.options.backlog(peers.ok_or_else(|| bad(word))?);
            }
            "declines" => made.reception = Reception::Declined,
            "panics" => made.reception = Reception::Panics,
            _ => made.config = connection(made.config, word)?,
        }
    }
    Ok(made)
}

pub(super) fn connecting(cast: &Cast, words: &[String]) -> Result<ConnectOptions, Complaint> {
    let (mut options, mut config) = (ConnectOptions::default(), ConnConfig::default());
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "deadline" => options = options.deadline(time(value).ok_or_else(|| bad(word))?),
            "bind" => options = options.bind(address(cast, value)?),
            _ => config = connection(config, word)?,
        }
    }
    Ok(options.config(config))
}

pub(super) fn event_loop(words: &[String]) -> Result<LoopConfig, Complaint> {
    let mut config = LoopConfig::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        config = match key {
            "drain" => config.drain(time(value).ok_or_else(|| bad(word))?),
            "inbox" => config.inbox_tasks_max(number(value).ok_or_else(|| bad(word))?),
            _ => return Err(bad(word)),
        };
    }
    Ok(config)
}

fn connection(config: ConnConfig, word: &str) -> Result<ConnConfig, Complaint> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let bytes = || number(value).ok_or_else(|| bad(word));
    Ok(match key {
        "marks" => {
            let (low, high) = value.split_once(',').ok_or_else(|| bad(word))?;
            let (low, high) = (number(low), number(high));
            config.marks(low.ok_or_else(|| bad(word))?, high.ok_or_else(|| bad(word))?)
        }
        "tell" => config.on_high_mark(OnHighMark::Tell),
        "output-max" => config.output_max(bytes()?),
        "input-max" => config.input_max(bytes()?),
        "send-buffer" => config.send_buffer(bytes()?),
        "receive-buffer" => config.receive_buffer(bytes()?),
        "linger" => config.linger(time(value).ok_or_else(|| bad(word))?),
        "drain" => config.drain(time(value).ok_or_else(|| bad(word))?),
        _ => return Err(bad(word)),
    })
}

/// The address of a listener or door, or one in digits.
pub(super) fn address(cast: &Cast, name: &str) -> Result<SocketAddr, Complaint> {
    let known = cast.state().addresses.get(name).copied();
    let parsed = || name.parse().map_err(|_| format!("no address `{name}`"));
    known.map_or_else(parsed, Ok)
}

fn bad(word: &str) -> Complaint {
    format!("no option `{word}`")
}
