//! The time service (RFC 868): the seconds since 1900 as a number, then the end.

use net_reactor::prelude::*;

use super::serve;
use crate::args::ServeArgs;
use crate::clock;
use crate::failure::Failure;

/// From the beginning of 1900 to the beginning of 1970 (RFC 868).
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    serve::serve(args, |_peer| Time)
}

/// Sends the time and closes.
#[derive(Debug)]
struct Time;

impl Protocol for Time {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(since_1900(clock::since_1970().as_secs()))?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

/// Returns the number that goes over the wire: 32 bits, the highest byte first.
///
/// In February 2036 it starts from zero again, as the RFC's 32 bits demand.
fn since_1900(unix_seconds: u64) -> [u8; 4] {
    let [_, _, _, _, low @ ..] = (unix_seconds + SECONDS_1900_TO_1970).to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        // "the time 2,208,988,800 corresponds to 00:00 1 Jan 1970 GMT, 2,398,291,200 to 1 Jan 1976,
        // 2,524,521,600 to 1 Jan 1980, 2,629,584,000 to 1 May 1983"
        for (unix_seconds, number) in [
            (0, 2_208_988_800_u32),
            (189_302_400, 2_398_291_200),
            (315_532_800, 2_524_521_600),
            (420_595_200, 2_629_584_000),
        ] {
            assert_eq!(since_1900(unix_seconds), number.to_be_bytes());
        }
    }

    #[test]
    fn the_number_starts_again_in_2036() {
        assert_eq!(since_1900(2_085_978_495), [0xff; 4]);
        assert_eq!(since_1900(2_085_978_496), [0; 4]);
    }
}
