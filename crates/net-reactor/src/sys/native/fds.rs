//! Descriptors of the user's own.

use std::io::{self, IoSlice};

use super::Native;
#[cfg(unix)]
use super::{kernel_word, retry};
use crate::sys::{Blocking, Descriptor, FdSys, Interest, Token};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{IsTerminal, Read, Write};
    use std::os::fd::AsRawFd;

    use mio::unix::SourceFd;
    use socket2::SockRef;

    use super::{
        Blocking, Descriptor, FdSys, Interest, IoSlice, Native, Token, io, kernel_word, retry,
    };

    impl FdSys for Native {
        fn add_fd(
            &mut self,
            token: Token,
            fd: &Descriptor,
            interest: Interest,
        ) -> io::Result<Blocking> {
            let file = real(fd)?;
            let mut source = SourceFd(&file.as_raw_fd());
            self.poll.registry().register(&mut source, kernel_word(token), wanted(interest))?;
            // The mode belongs to the open description: a terminal's is shared with the standard
            // output, which would then fail where it used to wait.
            if file.is_terminal() {
                return Ok(Blocking::Unannounced);
            }
            // Not only of sockets, whatever the name says: it is a call of fcntl(2).
            if let Err(error) = SockRef::from(file).set_nonblocking(true) {
                self.remove_fd(fd);
                return Err(error);
            }
            Ok(Blocking::Never)
        }

        fn arm_fd(&mut self, token: Token, fd: &Descriptor, interest: Interest) -> io::Result<()> {
            let number = real(fd)?.as_raw_fd();
            // epoll_ctl(2) with EPOLL_CTL_MOD looks at the descriptor anew, and so an edge that is
            // spent already comes again.
            let mut source = SourceFd(&number);
            self.poll.registry().reregister(&mut source, kernel_word(token), wanted(interest))
        }

        fn remove_fd(&mut self, fd: &Descriptor) {
            if let Ok(file) = real(fd) {
                // Also when it is about to be closed: a duplicate would keep the registration alive.
                // A failure means that it is gone, which is what was asked for.
                let _ = self.poll.registry().deregister(&mut SourceFd(&file.as_raw_fd()));
            }
        }

        fn read_fd(&mut self, fd: &Descriptor, into: &mut [u8]) -> io::Result<usize> {
            let mut file = real(fd)?;
            retry(|| file.read(into))
        }

        fn write_fd(&mut self, fd: &Descriptor, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut file = real(fd)?;
            match slices {
                // An eventfd has no gathering write before Linux 6.9.
                [only] => retry(|| file.write(only)),
                several => retry(|| file.write_vectored(several)),
            }
        }
    }

    fn real(fd: &Descriptor) -> io::Result<&File> {
        fd.file().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn wanted(interest: Interest) -> mio::Interest {
        match (interest.has(Interest::READ), interest.has(Interest::WRITE)) {
            (true, true) => mio::Interest::READABLE | mio::Interest::WRITABLE,
            (true, false) => mio::Interest::READABLE,
            (false, true) => mio::Interest::WRITABLE,
            (false, false) => NOTHING,
        }
    }

    /// Nothing but hang-ups and failures. There is no empty interest in mio; urgent data, which
    /// few ever send, comes nearest.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NOTHING: mio::Interest = mio::Interest::PRIORITY;
    /// kqueue tells of hang-ups by a filter for reading; what arrives costs a turn, and is not told.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const NOTHING: mio::Interest = mio::Interest::READABLE;
}

#[cfg(not(unix))]
impl FdSys for Native {
    fn add_fd(&mut self, _: Token, _: &Descriptor, _: Interest) -> io::Result<Blocking> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn arm_fd(&mut self, _: Token, _: &Descriptor, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_fd(&mut self, _: &Descriptor) {}

    fn read_fd(&mut self, _: &Descriptor, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_fd(&mut self, _: &Descriptor, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
