//! The borders of the server's messages in a stream of bytes.

/// The state of a stream between two chunks of it.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header of the message so far: its type and its length.
    header: Vec<u8>,
    /// The bytes of the message's body that have not come yet.
    left: usize,
}

impl Frames {
    /// Calls a function for the type of each message that begins in the chunk.
    pub(super) fn each_type(&mut self, chunk: &mut [u8], mut change: impl FnMut(&mut u8)) {
        for byte in chunk {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.header.push(*byte);
            if self.header.len() == 1 {
                change(byte);
            }
            if let [_, length @ ..] = self.header.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default();
                self.left = length.saturating_sub(4);
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_across_chunks() {
        let stream = *b"Z\0\0\0\x05ID\0\0\0\x06DDC\0\0\0\x04T\0\0\0\x04";
        for size in 1..=stream.len() {
            let (mut frames, mut types) = (Frames::default(), Vec::new());
            for chunk in stream.to_vec().chunks_mut(size) {
                frames.each_type(chunk, |kind| types.push(*kind));
            }
            assert_eq!(types, b"ZDCT", "chunks of {size}");
        }
    }
}
