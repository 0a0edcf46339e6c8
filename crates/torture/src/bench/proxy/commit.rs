//! Finds the commits in the bytes that a client sends. The ledger's statement that is a transaction
//! of its own counts as one.

use std::collections::HashSet;

/// Texts of statements that are transactions of their own: the ledger's posting functions.
const POSTING: [&[u8]; 2] = [b"post_transfers_optimistic", b"post_transfers_pipelined"];

/// The statements that a connection has prepared to post and commit at once.
#[derive(Debug, Default)]
pub(super) struct Statements {
    posting: HashSet<Vec<u8>>,
}

impl Statements {
    /// Returns whether these bytes, which begin with a message, hold a commit.
    pub(super) fn commits(&mut self, bytes: &[u8]) -> bool {
        contains(bytes, b"COMMIT") | self.posts(bytes)
    }

    fn posts(&mut self, mut rest: &[u8]) -> bool {
        let mut posts = false;
        while let [kind, first, second, third, fourth, body @ ..] = rest {
            let length = u32::from_be_bytes([*first, *second, *third, *fourth]);
            let length = usize::try_from(length)
                .unwrap_or(usize::MAX)
                .saturating_sub(4);
            let message = body.get(..length).unwrap_or(body);
            let mut texts = message.split(|byte| *byte == 0);
            match (kind, texts.next(), texts.next()) {
                (b'P', Some(name), Some(sql)) => {
                    if POSTING.iter().any(|function| contains(sql, function)) {
                        self.posting.insert(name.to_vec());
                    } else {
                        self.posting.remove(name);
                    }
                }
                (b'B', _, Some(name)) => posts |= self.posting.contains(name),
                _ => {}
            }
            rest = body.get(length..).unwrap_or_default();
        }
        posts
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|word| word == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    #[test]
    fn bound_posting_function_is_a_commit_and_its_preparation_is_none() {
        let mut statements = Statements::default();
        let parse = message(
            b'P',
            b"s1\0SELECT banking.post_transfers_optimistic($1)\0\0\0",
        );
        assert!(!statements.commits(&parse));
        assert!(statements.commits(&message(b'B', b"\0s1\0\0\0\0\0\0\0")));
        assert!(!statements.commits(&message(b'B', b"\0s2\0\0\0\0\0\0\0")));
        assert!(statements.commits(&message(b'Q', b"COMMIT\0")));
    }
}
