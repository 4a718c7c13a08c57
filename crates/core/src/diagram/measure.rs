//! How wide a text is. Nobody here has the font that it will be shown in, so it is taken for one in a font that is wider than most.

use crate::text::width;

/// Advance widths of the characters from space to `~` in hundredths of the font's size, rounded up: those of DejaVu Sans 2.37, which
/// is wider than Arial, Helvetica, Segoe UI and San Francisco.
const WIDTHS: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 62, 74, 69, 99, 69,
    62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64,
    60, 82, 60, 60, 53, 64, 34, 64, 84,
];

/// A font's size in pixels, and whether it is bold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    pub size: i32,
    pub bold: bool,
}

impl Font {
    pub const TITLE: Font = Font { size: 22, bold: true };
    pub const NAME: Font = Font { size: 14, bold: true };
    pub const TEXT: Font = Font { size: 12, bold: false };
    pub const ABOUT: Font = Font { size: 14, bold: false };

    /// The width of `text` in pixels, rounded up.
    pub fn width(self, text: &str) -> i32 {
        let hundredths = |c: char| match (c as usize).checked_sub(0x20).and_then(|at| WIDTHS.get(at)) {
            Some(width) => i32::from(*width),
            // As wide as it is high for each column of a terminal: no letter is wider.
            None => 100 * i32::try_from(width(c.encode_utf8(&mut [0; 4]))).unwrap_or(2),
        };
        let sum: i32 = text.chars().map(hundredths).sum();
        // Bold letters of the same font are up to a quarter wider.
        let sum = if self.bold { sum * 5 / 4 } else { sum };
        (sum * self.size + 99) / 100
    }

    /// `text`, cut with three dots where it has no `room`.
    pub fn fit(self, text: &str, room: i32) -> String {
        let text = clean(text);
        if self.width(&text) <= room {
            return text;
        }
        let mut kept = String::new();
        for c in text.chars() {
            kept.push(c);
            if self.width(&kept) + self.width("...") > room {
                kept.pop();
                break;
            }
        }
        kept.trim_end().to_owned() + "..."
    }

    /// `text` in at most `most` lines of this width, the last one cut where it is too long.
    pub fn wrap(self, text: &str, room: i32, most: usize) -> Vec<String> {
        let text = clean(text);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let last = lines.len() == most;
            match lines.last_mut() {
                Some(line) if last || self.width(&format!("{line} {word}")) <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.iter().map(|line| self.fit(line, room)).collect()
    }
}

/// `text` without what SVG can't have: control characters.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_wrapped_where_it_ends() {
        let font = Font::TEXT;
        assert_eq!(font.fit("broker-1", 100), "broker-1");
        let cut = font.fit("a-name-that-is-longer-than-its-box", 100);
        assert!(cut.ends_with("...") && font.width(&cut) <= 100, "{cut}");
        let lines = font.wrap("gp3, 12345 GiB, 16000 IOPS, 1000 MiB/s", 130, 2);
        assert_eq!(lines, ["gp3, 12345 GiB,", "16000 IOPS, 1000..."]);
        assert_eq!(font.fit("a\u{7}b\u{1b}[1m", 100), "ab[1m");
    }
}
