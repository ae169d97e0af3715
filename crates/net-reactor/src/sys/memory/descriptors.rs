//! The descriptor table of a host.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

/// The first number that a table gives out: the standard streams have the three below it.
pub(super) const FIRST: u32 = 3;

/// `EMFILE`, which has no [`io::ErrorKind`]; the number is the same on all Unix systems.
const TABLE_FULL: i32 = 24;

/// `ENFILE`, likewise.
const HOST_FULL: i32 = 23;

/// Numbers of open descriptors; the lowest free one is given out next, as POSIX demands.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Free numbers below `end`, lowest first.
    free: BinaryHeap<Reverse<u32>>,
    /// No number from here on was ever given out.
    end: u32,
    open: usize,
    /// `RLIMIT_NOFILE`, without the standard streams: numbers from `FIRST + table_max` on are not
    /// given out.
    table_max: usize,
    /// `fs.file-max`: how many may be open, whatever their numbers.
    open_max: usize,
}

impl Default for Descriptors {
    fn default() -> Self {
        let free = BinaryHeap::new();
        Self { free, end: FIRST, open: 0, table_max: usize::MAX, open_max: usize::MAX }
    }
}

impl Descriptors {
    /// Opens the lowest free number, or fails with `EMFILE` or `ENFILE`, in Linux's order.
    pub(super) fn open(&mut self) -> io::Result<u32> {
        let lowest = self.free.peek().map_or(self.end, |number| number.0);
        if usize::try_from(lowest - FIRST).unwrap_or(usize::MAX) >= self.table_max {
            return Err(io::Error::from_raw_os_error(TABLE_FULL));
        }
        if self.open >= self.open_max {
            return Err(io::Error::from_raw_os_error(HOST_FULL));
        }
        if self.free.pop().is_none() {
            self.end += 1;
        }
        self.open += 1;
        Ok(lowest)
    }

    /// Gives a number back; the next [`open`](Self::open) can have it.
    pub(super) fn close(&mut self, number: u32) {
        self.open -= 1;
        self.free.push(Reverse(number));
    }

    /// Closes everything, and keeps the limits.
    pub(super) fn clear(&mut self) {
        self.free.clear();
        self.end = FIRST;
        self.open = 0;
    }

    /// Changes how many numbers the table has.
    pub(super) fn set_table_max(&mut self, numbers: usize) {
        self.table_max = numbers;
    }

    /// Changes how many descriptors may be open.
    pub(super) fn set_open_max(&mut self, descriptors: usize) {
        self.open_max = descriptors;
    }

    /// Returns how many are open.
    pub(super) fn open_len(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_reused_at_once() {
        let mut table = Descriptors::default();
        let numbers: Vec<u32> = (0..4).map(|_| table.open().unwrap()).collect();
        assert_eq!(numbers, [3, 4, 5, 6]);
        table.close(5);
        table.close(4);
        assert_eq!([(); 3].map(|()| table.open().unwrap()), [4, 5, 7]);
    }

    #[test]
    fn the_limit_is_on_the_number_and_the_hosts_limit_on_the_count() {
        let mut table = Descriptors::default();
        let numbers: Vec<u32> = (0..4).map(|_| table.open().unwrap()).collect();
        table.set_table_max(2);
        assert_eq!(table.open().unwrap_err().raw_os_error(), Some(TABLE_FULL));
        table.close(numbers[1]);
        // Three are open, and still the number 4 is below the limit.
        assert_eq!(table.open().unwrap(), 4);
        table.set_table_max(9);
        table.set_open_max(4);
        assert_eq!(table.open().unwrap_err().raw_os_error(), Some(HOST_FULL));
        table.close(numbers[3]);
        assert_eq!(table.open().unwrap(), 6);
    }
}
