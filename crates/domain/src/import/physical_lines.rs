//! The physical lines of a CSV file.

use std::collections::VecDeque;
use std::io::{self, Read};

/// A reader that passes the bytes of a CSV file on, and knows the physical line at which each of
/// its records begins.
///
/// A parser skips empty lines and may see a line break of two characters as two, so that its own
/// count depends on the form of the file. Here a line ends with LF, CR LF or CR, an empty line is a
/// line, and a line break within a quoted field is one too: the numbers are those that an editor
/// shows.
///
/// The reader fails at a record of more than [`PhysicalLines::RECORD_BYTES_MAX`] bytes, and at the
/// end of a file within a quoted field, which would have taken all later records for its text.
///
/// # Example
///
/// ```
/// use std::io::Read;
///
/// use neobank_domain::import::PhysicalLines;
///
/// let text = "kind\r\n\r\ndeposit\r\n";
/// let mut lines = PhysicalLines::new(text.as_bytes(), 1);
/// lines.read_to_string(&mut String::new())?;
/// // After the header, the parser is at byte 5 or 6, and the next record begins at byte 8.
/// assert_eq!(lines.line_of_record(5), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PhysicalLines<R> {
    source: R,
    /// The number of bytes that were read.
    offset: u64,
    /// The number of the line of the next byte.
    line: u64,
    /// The first byte of each line that is not empty, and the number of the line.
    begins: VecDeque<(u64, u64)>,
    is_line_begin: bool,
    is_after_return: bool,
    place: Place,
    /// The first line of the record, and the number of its bytes until now.
    record: (u64, usize),
}

/// A place in a record, as the parser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    FieldBegin,
    Field,
    Quoted,
    /// After a quotation mark within a quoted field, which ends the field unless another follows.
    QuotationMark,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R> PhysicalLines<R> {
    /// The most bytes of a record.
    pub const RECORD_BYTES_MAX: usize = 1_000_000;

    /// Returns a reader of a source whose first line has a number.
    #[must_use]
    pub const fn new(source: R, first_line: u64) -> Self {
        Self {
            source,
            offset: 0,
            line: first_line,
            begins: VecDeque::new(),
            is_line_begin: true,
            is_after_return: false,
            place: Place::FieldBegin,
            record: (first_line, 0),
        }
    }

    /// Returns the number of the line at which a record begins, by the number of bytes that the
    /// parser had consumed before it. The numbers of bytes must not go back from call to call.
    pub fn line_of_record(&mut self, byte: u64) -> u64 {
        while self.begins.front().is_some_and(|(begin, _)| *begin < byte) {
            self.begins.pop_front();
        }
        self.begins.front().map_or(self.line, |(_, line)| *line)
    }

    fn pass(&mut self, byte: u8) {
        let is_mark = usize::try_from(self.offset)
            .ok()
            .and_then(|offset| BYTE_ORDER_MARK.get(offset))
            .is_some_and(|mark| *mark == byte);
        match byte {
            // The second half of a line break.
            b'\n' if self.is_after_return => {}
            b'\n' | b'\r' => {
                self.line = self.line.saturating_add(1);
                self.is_line_begin = true;
            }
            _ if is_mark => {}
            _ if self.is_line_begin => {
                self.begins.push_back((self.offset, self.line));
                self.is_line_begin = false;
            }
            _ => {}
        }
        self.is_after_return = byte == b'\r';
        self.offset = self.offset.saturating_add(1);
        self.place = match (self.place, byte) {
            _ if is_mark => self.place,
            (Place::FieldBegin | Place::QuotationMark, b'"') => Place::Quoted,
            (Place::Quoted, b'"') => Place::QuotationMark,
            (Place::Quoted, _) => Place::Quoted,
            (_, b',' | b'\n' | b'\r') => Place::FieldBegin,
            _ => Place::Field,
        };
        let is_end = matches!(byte, b'\n' | b'\r') && self.place == Place::FieldBegin;
        self.record = if is_end {
            (self.line, 0)
        } else {
            (self.record.0, self.record.1.saturating_add(1))
        };
    }
}

impl<R: Read> Read for PhysicalLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let wrong = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if count == 0 && !buffer.is_empty() && self.place == Place::Quoted {
            return wrong(format!(
                "the record of line {} has a quoted field without an end",
                self.record.0
            ));
        }
        for byte in buffer.iter().take(count) {
            self.pass(*byte);
            if self.record.1 > Self::RECORD_BYTES_MAX {
                return wrong(format!(
                    "the record of line {} has more than {} bytes",
                    self.record.0,
                    Self::RECORD_BYTES_MAX
                ));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the line and the first field of each record, as a parser with a small buffer reads
    /// them.
    fn records(text: &str, buffer: usize) -> Result<Vec<(u64, String)>, String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(buffer)
            .from_reader(PhysicalLines::new(text.as_bytes(), 1));
        let mut record = csv::StringRecord::new();
        let mut found = Vec::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| error.to_string())?
        {
            let byte = record.position().unwrap().byte();
            let line = reader.get_mut().line_of_record(byte);
            found.push((line, record[0].to_owned()));
        }
        Ok(found)
    }

    #[test]
    fn records_have_the_lines_of_an_editor_in_every_form_of_a_file() {
        let text =
            "\n\nhead,b\n\na,1\n\"b\nb\n\nb\",2\n\n\nc,\"3\n\"\nd,x\"y\ne,\"\"\"\n\"\"\"\nf,4";
        let expected = [
            (3, "head"),
            (5, "a"),
            (6, "b"),
            (12, "c"),
            (14, "d"),
            (15, "e"),
            (17, "f"),
        ];
        for line_break in ["\n", "\r\n", "\r"] {
            for end in ["", line_break] {
                for mark in ["", "\u{feff}"] {
                    let form = format!("{mark}{}{end}", text.replace('\n', line_break));
                    for buffer in [5, 7, 8192] {
                        let found: Vec<_> = records(&form, buffer)
                            .unwrap()
                            .into_iter()
                            .map(|(line, first)| (line, first.chars().next().unwrap()))
                            .collect();
                        let expected =
                            expected.map(|(line, text)| (line, text.chars().next().unwrap()));
                        assert_eq!(found, expected, "{form:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn quoted_field_without_an_end_and_endless_record_are_errors() {
        let error = records("a,b\r\n1,\"x\r\n2,y\r\n", 8192).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let long = format!(
            "a\n{}\n",
            "x".repeat(PhysicalLines::<()>::RECORD_BYTES_MAX + 1)
        );
        let error = records(&long, 8192).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let longest = format!("a\n{}\n", "x".repeat(PhysicalLines::<()>::RECORD_BYTES_MAX));
        assert_eq!(records(&longest, 8192).unwrap().len(), 2);
    }
}
