//! Names for Unix sockets, in a folder that goes with the test.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::UnixAddress;

/// Tells the folders of one process apart.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// Paths that nobody else uses.
pub(super) struct Paths {
    folder: PathBuf,
    made: Cell<u32>,
}

impl Paths {
    pub(super) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("net-reactor-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self { folder, made: Cell::new(0) }
    }

    pub(super) fn next(&self) -> UnixAddress {
        self.made.set(self.made.get() + 1);
        UnixAddress::path(self.folder.join(format!("{}.sock", self.made.get()))).unwrap()
    }
}

impl Drop for Paths {
    fn drop(&mut self) {
        // A test that failed may have left something.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
