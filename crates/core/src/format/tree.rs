//! Where the keys, values and comments of a YAML text stand, by lines.

use granit_parser::{Event, Parser, Span, StructureStyle};

/// A text with its lines, its tree, and its comments.
pub(super) struct Source<'a> {
    pub lines: Vec<&'a str>,
    /// The value of the document; `None` for an empty one.
    pub root: Option<Item>,
    comments: Vec<Comment<'a>>,
    /// Whether a value stands for another: then keys keep their order, as an anchor comes before its aliases.
    pub aliases: bool,
}

struct Comment<'a> {
    /// The line, from 0, and the byte in it at which the comment begins.
    line: usize,
    column: usize,
    text: &'a str,
}

/// A value. Lines are counted from 0, columns in bytes of their line.
#[derive(Debug)]
pub(super) struct Item {
    pub line: usize,
    pub column: usize,
    /// The last line that has a part of it.
    pub last: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A mapping with a line for each key.
    Map(Vec<(Key, Item)>),
    /// A list with a line for each item.
    List(Vec<Item>),
    /// Anything else: it stays as it is written.
    Other,
}

#[derive(Debug)]
pub(super) struct Key {
    /// As it is written, with its quotes.
    pub text: String,
    /// Without them.
    pub name: String,
    pub line: usize,
    pub column: usize,
}

impl<'a> Source<'a> {
    /// Reads `text`, which must be one document of YAML.
    ///
    /// # Errors
    /// What the parser says, or what this does not read, as a clause.
    pub fn read(text: &'a str) -> Result<Source<'a>, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<&str> = text.lines().collect();
        let mut source = Source { lines, root: None, comments: Vec::new(), aliases: false };
        let mut events = Vec::new();
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| error.to_string())?;
            match event {
                Event::Comment(..) => {
                    let (line, column) = source.place(text, span.start.byte_offset());
                    source.comments.push(Comment { line, column, text: span.slice(text).unwrap_or_default() });
                }
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => {
                    source.aliases |= matches!(event, Event::Alias(_));
                    events.push((event, span));
                }
            }
        }
        let mut events = events.into_iter();
        source.root = match events.next() {
            Some(first) => Some(source.item(text, first, &mut events)?),
            None => None,
        };
        Ok(source)
    }

    /// The texts of its comments.
    pub fn comments(&self) -> Vec<&'a str> {
        self.comments.iter().map(|comment| comment.text.trim_end()).collect()
    }

    /// At which byte of `line` a comment begins.
    pub fn comment_at(&self, line: usize) -> Option<usize> {
        self.comments.iter().find(|comment| comment.line == line).map(|comment| comment.column)
    }

    /// The line and the column of a byte.
    fn place(&self, text: &str, at: Option<usize>) -> (usize, usize) {
        let before = &text[..at.unwrap_or(0).min(text.len())];
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count(), before.len() - begin)
    }

    fn item(
        &self,
        text: &str,
        (event, span): (Event<'_>, Span),
        rest: &mut impl Iterator<Item = (Event<'a>, Span)>,
    ) -> Result<Item, String> {
        let (line, column) = self.place(text, span.start.byte_offset());
        let broken = || "the parser's events end too early".to_owned();
        let (last, kind) = match event {
            Event::MappingStart(style, ..) => {
                let (mut entries, mut last) = (Vec::new(), line);
                loop {
                    let (event, at) = rest.next().ok_or_else(broken)?;
                    if event == Event::MappingEnd {
                        break match style {
                            StructureStyle::Flow => (self.last_line(text, at), Kind::Other),
                            StructureStyle::Block => (last, Kind::Map(entries)),
                        };
                    }
                    let key = self.key(text, &event, at);
                    // A key that is more than a scalar has events of its own, and no block is read further.
                    let read = self.item(text, (event, at), rest)?;
                    let value = rest.next().ok_or_else(broken)?;
                    let value = self.item(text, value, rest)?;
                    last = last.max(read.last).max(value.last);
                    if style == StructureStyle::Block {
                        entries.push((key.filter(|key| read.last == key.line).ok_or_else(|| plain_key(line))?, value));
                    }
                }
            }
            Event::SequenceStart(style, ..) => {
                let (mut items, mut last) = (Vec::new(), line);
                loop {
                    let (event, at) = rest.next().ok_or_else(broken)?;
                    if event == Event::SequenceEnd {
                        break match style {
                            StructureStyle::Flow => (self.last_line(text, at), Kind::Other),
                            StructureStyle::Block => (last, Kind::List(items)),
                        };
                    }
                    let item = self.item(text, (event, at), rest)?;
                    last = last.max(item.last);
                    items.push(item);
                }
            }
            _ => (self.last_line(text, span).max(line), Kind::Other),
        };
        Ok(Item { line, column, last, kind })
    }

    /// The line of the last character of a span that is more than space.
    fn last_line(&self, text: &str, span: Span) -> usize {
        let bytes = span.byte_range().unwrap_or_default();
        let written = text.get(bytes.clone()).unwrap_or_default().trim_end();
        self.place(text, Some(bytes.start + written.len())).0
    }

    fn key(&self, text: &str, event: &Event<'_>, span: Span) -> Option<Key> {
        let Event::Scalar(name, ..) = event else { return None };
        let (line, column) = self.place(text, span.start.byte_offset());
        Some(Key { text: span.slice(text)?.trim_end().to_owned(), name: name.to_string(), line, column })
    }
}

fn plain_key(line: usize) -> String {
    format!("a mapping at line {} has a key that is no plain text", line + 1)
}
