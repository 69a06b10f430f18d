//! Bytes of a list as text: byte order marks, UTF-8, UTF-16, and what old spreadsheets write.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A list as text, with what had to be assumed.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    pub encoding: &'static str,
    /// Lines (from 1) of a UTF-8 file that are not UTF-8 and were read as Windows-1252.
    pub foreign_lines: Vec<u64>,
}

/// `None` where this is no text.
pub fn decode(bytes: &[u8]) -> Option<Decoded> {
    let whole = |encoding: &'static Encoding, bytes: &[u8]| {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        Decoded { text: text.into_owned(), encoding: encoding.name(), foreign_lines: Vec::new() }
    };
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = &bytes[mark..];
        return if encoding == UTF_8 { Some(lines_of(rest)) } else { Some(whole(encoding, rest)) };
    }
    if let Some(encoding) = unmarked_utf_16(bytes) {
        return Some(whole(encoding, bytes));
    }
    // Text has no zeros; what begins like an archive is a spreadsheet.
    if bytes.starts_with(b"PK\x03\x04") || bytes.contains(&0) {
        return None;
    }
    Some(lines_of(bytes))
}

/// UTF-8, line by line, so that one bad line does not spoil the rest.
fn lines_of(bytes: &[u8]) -> Decoded {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded { text: text.to_owned(), encoding: UTF_8.name(), foreign_lines: Vec::new() };
    }
    let lines = || bytes.split_inclusive(|&byte| byte == b'\n');
    let is_utf_8 = lines().any(|line| !line.is_ascii() && std::str::from_utf8(line).is_ok());
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut foreign_lines = Vec::new();
    for (line, number) in lines().zip(1..) {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => {
                text.push_str(&WINDOWS_1252.decode_without_bom_handling(line).0);
                foreign_lines.push(number);
            }
        }
    }
    // Without one line that needs UTF-8, the file never was UTF-8.
    let encoding = if is_utf_8 { UTF_8 } else { WINDOWS_1252 };
    if !is_utf_8 {
        foreign_lines.clear();
    }
    Decoded { text, encoding: encoding.name(), foreign_lines }
}

/// Latin text in UTF-16 has a zero in every other byte.
fn unmarked_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(512) & !1];
    let pairs = start.len() / 2;
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    match (zeros(0), zeros(1)) {
        _ if pairs < 4 => None,
        (0, odd) if odd * 2 > pairs => Some(UTF_16LE),
        (even, 0) if even * 2 > pairs => Some(UTF_16BE),
        _ => None,
    }
}
