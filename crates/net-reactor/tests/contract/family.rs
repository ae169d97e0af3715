//! The family of addresses that a run of these tests is over, and the runs over the others.
//!
//! Each test is written once. Started as usual it is over IPv4; the tests below start the whole
//! program again for each other family.

use std::process::Command;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicUsize, Ordering};

use net_reactor::Address;
#[cfg(target_os = "linux")]
use net_reactor::UnixAddress;

/// The variable that names the family in a run that was started by another one.
const VARIABLE: &str = "CONTRACT_FAMILY";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Unix,
}

/// Returns the family of this run.
pub(crate) fn family() -> Family {
    match std::env::var(VARIABLE).as_deref() {
        Ok("v6") => Family::V6,
        Ok("unix") => Family::Unix,
        _ => Family::V4,
    }
}

/// Returns an address of this host to listen on that nobody else has.
pub(crate) fn anywhere() -> Address {
    match family() {
        Family::V4 => std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        Family::V6 => std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0)).into(),
        #[cfg(target_os = "linux")]
        Family::Unix => {
            static NUMBER: AtomicUsize = AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("net-reactor-contract-{}-{number}", std::process::id());
            UnixAddress::abstract_name(name).unwrap().into()
        }
        #[cfg(not(target_os = "linux"))]
        Family::Unix => unreachable!("abstract names are Linux's"),
    }
}

/// The tests that start the others, which do not start themselves.
const THESE: &[&str] = &[
    "family::the_contract_holds_over_ipv6",
    #[cfg(target_os = "linux")]
    "family::the_contract_holds_over_unix_sockets",
];

/// What is of a reset, which a Unix socket does not know: a peer that closes ends there, whatever it
/// had asked for, and reads all that was sent to it before an abort.
#[cfg(target_os = "linux")]
const OF_RESETS: [&str; 9] = [
    "failures::every_tenth_handler_panics_and_the_others_lose_no_byte",
    "half_close::a_reset_after_the_peers_fin_closes_a_connection_that_was_kept_open",
    "resets::a_reset_ends_a_close_that_is_draining",
    "resets::a_reset_ends_a_connection_after_our_half_close",
    "resets::a_reset_ends_a_connection_after_the_peers_half_close",
    "resets::a_reset_ends_a_paused_connection",
    "resets::a_reset_ends_an_idle_connection",
    "resets::a_reset_that_comes_between_two_looks_is_told_as_a_reset",
    "resets::data_that_came_before_a_reset_is_delivered",
];

/// Runs all tests of this program again, but for those that `inapplicable` names.
fn run_again(family: &str, inapplicable: &[&str]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(VARIABLE, family).arg("--exact");
    for test in THESE.iter().chain(inapplicable) {
        command.args(["--skip", test]);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "over {family}:\n{told}");
    // A name in a list that is no test any more would hide that the test is applicable after all.
    let skipped = format!("{} filtered out", THESE.len() + inapplicable.len());
    assert!(told.contains(&skipped), "over {family}:\n{told}");
}

#[test]
fn the_contract_holds_over_ipv6() {
    // Some hosts have no IPv6, and nothing to be held.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        run_again("v6", &[]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_contract_holds_over_unix_sockets() {
    run_again("unix", &OF_RESETS);
}
