//! Text in the languages of a host's files: it comes out as itself wherever it is put.

use std::fmt::Write as _;

/// Text as one word of a POSIX shell.
pub(crate) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A YAML scalar with this content: a block, indented by `indent` spaces, where the content is lines of plain
/// text, and a double-quoted scalar where it is anything else.
pub(crate) fn yaml_scalar(text: &str, indent: usize) -> String {
    let plain = text.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic());
    if plain && text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with([' ', '\n']) {
        // A plan has a hundred thousand such lines of a thousand hosts.
        let mut block = String::with_capacity(text.len() * 5 / 4);
        block.push('|');
        for line in text.lines() {
            block.push('\n');
            if !line.is_empty() {
                block.extend(std::iter::repeat_n(' ', indent));
                block.push_str(line);
            }
        }
        return block;
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(c),
            c => _ = write!(quoted, "\\U{:08x}", u32::from(c)),
        }
    }
    quoted + "\""
}

/// Text as a value, or as a key, of a Java properties file: `java.util.Properties.load` reads it back as it was.
pub(crate) fn properties_escape(text: &str, key: bool) -> String {
    let mut escaped = String::new();
    for (index, unit) in text.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some('\\') => escaped.push_str("\\\\"),
            Some('\n') => escaped.push_str("\\n"),
            Some('\r') => escaped.push_str("\\r"),
            Some('\t') => escaped.push_str("\\t"),
            Some(' ') if key || index == 0 => escaped.push_str("\\ "),
            Some(c @ ('=' | ':' | '#' | '!')) if key => escaped.extend(['\\', c]),
            Some(c @ ' '..='~') => escaped.push(c),
            _ => _ = write!(escaped, "\\u{unit:04x}"),
        }
    }
    escaped
}
