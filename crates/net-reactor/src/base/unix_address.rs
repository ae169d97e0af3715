//! Names of Unix sockets.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest path or abstract name, in bytes: `sun_path` of Linux has 108, one of which ends the
/// path or begins the abstract name (unix(7)).
const NAME_BYTES_MAX: usize = 107;

/// The name of a Unix socket: a path, an abstract name, or none.
///
/// A socket that was bound to a path is a file there, and its permissions say who may connect. An
/// abstract name is no file: anybody in the network namespace may connect, and it is free again
/// when its socket is closed. Most sockets that connect have no name at all.
///
/// It is written `unix:/run/hub.sock`, `unix:@hub`, `unix:`. In a name the bytes that are not
/// printable ASCII, and the space, `%`, `?` and a path's leading `@`, are written as `%` and two
/// digits, base 16.
///
/// ```
/// use net_reactor::UnixAddress;
///
/// assert_eq!(UnixAddress::path("/run/a b.sock")?.to_string(), "unix:/run/a%20b.sock");
/// assert_eq!(UnixAddress::abstract_name("hub")?.to_string(), "unix:@hub");
/// assert!(UnixAddress::path("x".repeat(108)).is_err());
/// # Ok::<(), net_reactor::UnixNameError>(())
/// ```
///
/// # Platform
///
/// Unix; abstract names Linux alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixAddress(Option<Arc<Name>>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Name {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl UnixAddress {
    /// No name.
    pub(crate) const UNNAMED: Self = Self(None);

    /// Makes it from the path of a file.
    ///
    /// # Errors
    ///
    /// [`UnixNameError`] when the path is empty, is longer than 107 bytes, or has a zero byte.
    pub fn path(path: impl Into<PathBuf>) -> Result<Self, UnixNameError> {
        let path = path.into();
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() {
            return Err(UnixNameError::Empty);
        }
        if bytes.contains(&0) {
            return Err(UnixNameError::ZeroByte);
        }
        check_len(bytes)?;
        Ok(Self(Some(Arc::new(Name::Path(path)))))
    }

    /// Makes it from the bytes of a path, which need not be text.
    ///
    /// # Errors
    ///
    /// As for [`path`](Self::path).
    pub(crate) fn path_of_bytes(bytes: Vec<u8>) -> Result<Self, UnixNameError> {
        #[cfg(unix)]
        let path = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes);
        #[cfg(not(unix))]
        let path = String::from_utf8_lossy(&bytes).into_owned();
        Self::path(path)
    }

    /// Makes it from an abstract name, without the zero byte that begins it.
    ///
    /// # Errors
    ///
    /// [`UnixNameError`] when the name is empty or longer than 107 bytes.
    pub fn abstract_name(name: impl Into<Vec<u8>>) -> Result<Self, UnixNameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(UnixNameError::Empty);
        }
        check_len(&name)?;
        Ok(Self(Some(Arc::new(Name::Abstract(name)))))
    }

    /// Returns the path, if it has one.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match self.0.as_deref()? {
            Name::Path(path) => Some(path),
            Name::Abstract(_) => None,
        }
    }

    /// Returns the abstract name, if it has one.
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match self.0.as_deref()? {
            Name::Path(_) => None,
            Name::Abstract(name) => Some(name),
        }
    }

    /// Whether it has no name.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_none()
    }
}

fn check_len(name: &[u8]) -> Result<(), UnixNameError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(UnixNameError::TooLong { bytes: name.len() });
    }
    Ok(())
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unix:")?;
        let (bytes, is_path) = match self.0.as_deref() {
            None => return Ok(()),
            Some(Name::Path(path)) => (path.as_os_str().as_encoded_bytes(), true),
            Some(Name::Abstract(name)) => (name.as_slice(), false),
        };
        if !is_path {
            f.write_str("@")?;
        }
        for (at, byte) in bytes.iter().enumerate() {
            let plain = byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?');
            if plain && !(is_path && at == 0 && *byte == b'@') {
                write!(f, "{}", char::from(*byte))?;
            } else {
                write!(f, "%{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// What cannot be the name of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnixNameError {
    /// It is empty.
    Empty,
    /// A path has a zero byte.
    ZeroByte,
    /// It is longer than 107 bytes.
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl fmt::Display for UnixNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name of the Unix socket is empty"),
            Self::ZeroByte => f.write_str("the path of the Unix socket has a zero byte"),
            Self::TooLong { bytes } => write!(
                f,
                "the name of the Unix socket has {bytes} bytes, more than {NAME_BYTES_MAX}"
            ),
        }
    }
}

impl Error for UnixNameError {}
