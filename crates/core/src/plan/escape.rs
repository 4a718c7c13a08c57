//! Text of others inside of Markdown: whatever it is, it stays text. Names and tags in AWS are whatever anybody wrote there, and a
//! comment on a pull request mentions people, links, folds and runs a forge's commands.

use super::text::printable;

/// What stands behind `@` and `#`, so that they mention nobody and no issue: it takes no room.
const BREAK: char = '\u{200b}';

/// `text` in one line, without what ends lines, is obeyed by terminals, or turns the direction of what follows.
fn flat(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = uncoloured(&printable(&line(text)));
    line(&shown.chars().filter(|c| !turns(*c)).collect::<String>())
}

/// `text` without the colours that [`printable`] lets through.
pub fn uncoloured(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest = end.strip_prefix('m').unwrap_or(after);
    }
    out + rest
}

/// Each character of a flat text that Markdown, HTML, or a forge gives a meaning inside of a line, escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A formula on GitHub begins and ends with it.
            '$' => out.push_str("<span>\\$</span>"),
            '@' | '#' => out.extend(['\\', c, BREAK]),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '^' | '!' => out.extend(['\\', c]),
            // Links that need no brackets.
            ':' if after.starts_with('/') => out.push_str("\\:"),
            '.' if before.to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            c => out.push(c),
        }
    }
    out
}

/// Whether `text` is nothing but what stands between backticks as it is: an address, an id, a name.
fn plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || " -_./:,;=+()'".contains(c);
    !text.is_empty() && text.trim() == text && text.chars().all(word)
}

/// `text` as code.
pub fn code(text: &str) -> String {
    let text = flat(text);
    match plain(&text) {
        true => format!("`{text}`"),
        false => format!("<code>{}</code>", escaped(&text)),
    }
}

/// A sentence, for the middle of a line. What it has in backticks is code.
pub fn prose(text: &str) -> String {
    let text = flat(text);
    let parts: Vec<&str> = text.split('`').collect();
    let whole = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|part| plain(part));
    // Backticks that touch would be one longer mark.
    let apart = parts.len() < 3 || parts[1..parts.len() - 1].iter().all(|part| !part.is_empty());
    if !(whole && apart) {
        return escaped(&text);
    }
    let shown = |(index, part): (usize, &&str)| if index % 2 == 1 { format!("`{part}`") } else { escaped(part) };
    parts.iter().enumerate().map(shown).collect()
}

/// So many backticks in a row are shown in a block, and no more.
const ROW: usize = 9;

/// `text`, of several lines, as a block of code that ends where it ends: no row of backticks in it is as long as its fence.
pub fn block(text: &str) -> String {
    let (mut row, mut longest) = (0, 2);
    let mut kept = |c: char| {
        row = if c == '`' { row + 1 } else { 0 };
        longest = longest.max(row.min(ROW));
        row <= ROW
    };
    let shown: String = uncoloured(&printable(text.trim_end())).chars().filter(|c| kept(*c)).collect();
    let fence = "`".repeat(longest + 1);
    format!("{fence}text\n{shown}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        for (text, as_code, as_prose) in [
            ("volume/broker-1", "`volume/broker-1`", "volume/broker-1"),
            ("`rm` of `x-1`", "<code>\\`rm\\` of \\`x-1\\`</code>", "`rm` of `x-1`"),
            ("a ` b", "<code>a \\` b</code>", "a \\` b"),
            ("``x``", "<code>\\`\\`x\\`\\`</code>", "\\`\\`x\\`\\`"),
            ("`a``b`", "<code>\\`a\\`\\`b\\`</code>", "\\`a\\`\\`b\\`"),
            ("`<b>`", "<code>\\`&lt;b&gt;\\`</code>", "\\`&lt;b&gt;\\`"),
            ("</details>\n\n# x", "<code>&lt;/details&gt; \\#\u{200b} x</code>", "&lt;/details&gt; \\#\u{200b} x"),
            ("@all #7", "<code>\\@\u{200b}all \\#\u{200b}7</code>", "\\@\u{200b}all \\#\u{200b}7"),
            ("![x](https://a.b)", "<code>\\!\\[x\\](https\\://a.b)</code>", "\\!\\[x\\](https\\://a.b)"),
            ("WWW.a.b: *", "<code>WWW\\.a.b: \\*</code>", "WWW\\.a.b: \\*"),
            ("a\r\n/close", "`a /close`", "a /close"),
            ("\u{1b}[31mred\u{1b}[0m\u{7}", "<code>red\\\\u{7}</code>", "red\\\\u{7}"),
            ("a\u{202e}b", "`ab`", "ab"),
            (
                "$x$ &lt; | *y*",
                "<code><span>\\$</span>x<span>\\$</span> &amp;lt; \\| \\*y\\*</code>",
                "<span>\\$</span>x<span>\\$</span> &amp;lt; \\| \\*y\\*",
            ),
        ] {
            assert_eq!((code(text).as_str(), prose(text).as_str()), (as_code, as_prose), "{text:?}");
        }
    }

    #[test]
    fn a_block_is_fenced_by_more_than_it_has() {
        assert_eq!(block("a\nb\n"), "```text\na\nb\n```\n");
        assert_eq!(block("x\n```\n</details>"), "````text\nx\n```\n</details>\n````\n");
        assert_eq!(block("`````"), "``````text\n`````\n``````\n");
        assert_eq!(block(&"`".repeat(5000)).lines().map(str::len).collect::<Vec<_>>(), [14, 9, 10]);
    }

    /// The text of the only item of the list `markdown`, as another reader of Markdown has it; `None` where there is more than text.
    fn text_of(markdown: &str) -> Option<String> {
        use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
        let mut text = String::new();
        for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Start(Tag::List(None) | Tag::Item) | Event::End(TagEnd::List(false) | TagEnd::Item) => {}
                Event::Text(part) => text.push_str(&part),
                Event::Code(part) => text.push_str(&part),
                Event::InlineHtml(tag) if ["<span>", "</span>", "<code>", "</code>"].contains(&&*tag) => {}
                _ => return None,
            }
        }
        Some(text)
    }

    proptest::proptest! {
        #[test]
        fn another_reader_finds_nothing_but_the_text(text in r"([ -~]|[`*_<>&@#$:./~|\n\r\t\\\[\](){}!=+-]|</?(details|summary|pre|code)>|```|https://|www\.|&amp;|\u{1b}\[31m|\u{202e}|\u{2028}|\x00){0,40}") {
            let text = format!("x{text}");
            let plain = flat(&text);
            let whole = |shown: &str| format!("Said: {shown}").trim_end().to_owned();
            let read = |markdown: String| text_of(&format!("- Said: {markdown}\n")).map(|text| text.replace(BREAK, ""));
            proptest::prop_assert_eq!(read(code(&text)), Some(whole(&plain)));
            let without: String = plain.chars().filter(|c| *c != '`').collect();
            let prose = read(prose(&text)).map(|text| text.chars().filter(|c| *c != '`').collect::<String>().trim_end().to_owned());
            proptest::prop_assert_eq!(prose, Some(whole(&without)));
        }
    }
}
