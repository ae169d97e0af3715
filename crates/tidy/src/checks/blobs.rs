//! A repository is for text.

use crate::Finding;

const BYTES_MAX: u64 = 256 * 1024;

/// Checks the size of one file.
pub fn check(path: &str, bytes: u64) -> Vec<Finding> {
    if bytes <= BYTES_MAX {
        return Vec::new();
    }
    vec![Finding::in_file(
        path,
        format!("has {bytes} bytes, at most {BYTES_MAX}: every clone keeps it"),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_size_that_passes() {
        assert!(check("a.bin", BYTES_MAX).is_empty());
        assert_eq!(check("a.bin", BYTES_MAX + 1).len(), 1);
    }
}
