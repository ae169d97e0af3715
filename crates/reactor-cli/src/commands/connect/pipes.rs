//! Stdin and stdout as streams of bytes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

use super::passage::{BUFFER_BYTES, Ends, Intake, Outlet, Told};
use crate::failure::Failure;

/// Passes stdin and stdout through.
pub(super) fn ends(end_with_peer: bool) -> Result<Ends, Failure> {
    // As files they have no buffers of their own, which would only wait for the end of a line.
    let stdin = file(io::stdin()).map_err(|error| cannot("read stdin", &error))?;
    let stdout = file(io::stdout()).map_err(|error| cannot("write to stdout", &error))?;
    Ok(Ends {
        read: Box::new(move |intake| read(&intake, stdin)),
        write: Box::new(move |outlet| write(&outlet, stdout)),
        end_with_peer,
    })
}

fn file(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

fn cannot(verb: &str, error: &io::Error) -> Failure {
    Failure::run(format!("cannot {verb}: {error}"))
}

/// Reads to the end, no faster than buffers come back.
fn read(intake: &Intake, mut stdin: File) {
    while let Some(mut buffer) = intake.buffer() {
        buffer.resize(BUFFER_BYTES, 0);
        match patiently(&mut stdin, PollFlags::IN, |stdin| stdin.read(&mut buffer)) {
            Ok(0) => return intake.tell(Told::End),
            Ok(count) => {
                buffer.truncate(count);
                intake.tell(Told::Chunk(buffer));
            }
            Err(error) => return intake.tell(Told::Unreadable(error)),
        }
    }
}

/// Writes all that comes.
fn write(outlet: &Outlet, mut stdout: File) -> io::Result<()> {
    while let Some(buffer) = outlet.buffer() {
        let mut rest = &buffer[..];
        while !rest.is_empty() {
            match patiently(&mut stdout, PollFlags::OUT, |stdout| stdout.write(rest)) {
                Ok(count) => rest = &rest[count..],
                Err(error) => {
                    outlet.tell(Told::Unwritable);
                    return Err(error);
                }
            }
        }
        outlet.tell(Told::Emptied(buffer));
    }
    Ok(())
}

/// Makes a call until it is neither interrupted nor would block: another program that shares the
/// pipe or the terminal may have made it non-blocking.
fn patiently<T>(
    file: &mut File,
    flags: PollFlags,
    mut call: impl FnMut(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match call(file) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::new(file, flags)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            result => return result,
        }
    }
}
