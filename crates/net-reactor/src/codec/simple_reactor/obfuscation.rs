//! What `SimpleReactor` calls encryption.

/// The key, the same for everybody.
const KEY: &[u8; 17] = b"mini10_cheer_up!!";

/// Combines each block of 17 bytes with the key, and turns it round. The last block may be shorter.
pub(super) fn obfuscate(bytes: &mut [u8]) {
    for block in bytes.chunks_mut(KEY.len()) {
        combine(block);
        block.reverse();
    }
}

/// Undoes [`obfuscate`].
pub(super) fn reveal(bytes: &mut [u8]) {
    for block in bytes.chunks_mut(KEY.len()) {
        block.reverse();
        combine(block);
    }
}

fn combine(block: &mut [u8]) {
    for (byte, key) in block.iter_mut().zip(KEY) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_are_those_of_simple_reactor() {
        let mut bytes = *b"abc";
        obfuscate(&mut bytes);
        assert_eq!(bytes, [0x0d, 0x0b, 0x0c]);
        let mut bytes = *b"0123456789abcdefgh";
        obfuscate(&mut bytes);
        let expected = b"\x46\x47\x15\x11\x3c\x10\x04\x5c\x50\x54\x69\x05\x05\x5a\x5c\x58\x5d\x05";
        assert_eq!(&bytes, expected);
    }

    #[test]
    fn what_was_hidden_is_revealed_whatever_its_length() {
        let text: Vec<u8> = (0..60).collect();
        for len in 0..text.len() {
            let mut bytes = text[..len].to_vec();
            obfuscate(&mut bytes);
            assert!(len == 0 || bytes != text[..len]);
            reveal(&mut bytes);
            assert_eq!(bytes, text[..len]);
        }
    }
}
