//! The lines of a file in their canonical order and at their canonical indentation.

use serde_json::Value;

use super::tree::{Item, Key, Kind, Source};

/// Spaces for each level.
const LEVEL: usize = 2;

pub(super) struct Writer<'a> {
    source: &'a Source<'a>,
}

/// Lines of the source, from the first to the one after the last.
type Range = std::ops::Range<usize>;

/// An entry of a mapping, or an item of a list, with the lines that go with it.
struct Block<'a> {
    /// Comments and empty lines above it.
    above: Range,
    /// Its own lines, to the comments that are further in than it is.
    own: Range,
    key: Option<&'a Key>,
    value: &'a Item,
}

impl<'a> Writer<'a> {
    pub fn new(source: &'a Source<'a>) -> Writer<'a> {
        Writer { source }
    }

    /// The whole file. `schema` has the order of keys.
    ///
    /// # Errors
    /// What can't be written anew, as a clause.
    pub fn write(&self, schema: &Value) -> Result<String, String> {
        let all = 0..self.source.lines.len();
        let mut out = match &self.source.root {
            Some(Item { kind: Kind::Map(entries), .. }) => {
                let (mut blocks, tail) = self.blocks(entries.iter().map(|(key, value)| (Some(key), value)), all);
                // What the file begins with stays there, whichever key comes first.
                let head = blocks.first_mut().map(|first| std::mem::replace(&mut first.above, 0..0));
                let mut out = self.between(head.unwrap_or(0..0), 0);
                out.extend(self.entries(blocks, schema, 0)?);
                out.extend(self.between(tail, 0));
                out
            }
            _ => self.source.lines.iter().map(|line| line.trim_end().to_owned()).collect(),
        };
        let first = out.iter().position(|line| !line.is_empty()).unwrap_or(out.len());
        out.drain(..first);
        while out.last().is_some_and(String::is_empty) {
            out.pop();
        }
        Ok(out.join("\n") + "\n")
    }

    /// What is in the lines `within`, each with its comments; and the lines that are left at the end.
    fn blocks(&self, all: impl Iterator<Item = (Option<&'a Key>, &'a Item)>, within: Range) -> (Vec<Block<'a>>, Range) {
        let mut blocks: Vec<Block<'a>> = Vec::new();
        let empty = |line: &usize| self.source.lines[*line].trim().is_empty();
        let mut free = within.start + within.clone().take_while(empty).count();
        for (key, value) in all {
            let (line, column) = key.map_or((value.line, dash(value)), |key| (key.line, key.column));
            if let Some(before) = blocks.last_mut() {
                before.own.end = self.end_of(before, free..line, column);
                free = before.own.end;
            }
            blocks.push(Block { above: free..line, own: line..value.last.max(line) + 1, key, value });
            free = value.last.max(line) + 1;
        }
        if let Some(last) = blocks.last_mut() {
            let column = last.key.map_or(dash(last.value), |key| key.column);
            last.own.end = self.end_of(last, free..within.end, column);
            free = last.own.end;
        }
        (blocks, free..within.end)
    }

    /// Where the lines of `block` end: those of `after` that have comments further in than `column` are its own, where it has lines in which
    /// they can be.
    fn end_of(&self, block: &Block<'_>, after: Range, column: usize) -> usize {
        let further = |line: &usize| {
            let text = self.source.lines[*line];
            !text.trim().is_empty() && text.len() - text.trim_start().len() > column
        };
        let nested = matches!(block.value.kind, Kind::Map(_) | Kind::List(_));
        let last = after.clone().filter(|_| nested).filter(further).max();
        last.map_or(after.start, |line| line + 1)
    }

    /// The entries of a mapping in the order of its schema.
    fn entries(&self, mut blocks: Vec<Block<'a>>, schema: &Value, indent: usize) -> Result<Vec<String>, String> {
        let keys = properties(schema);
        let place = |block: &Block<'_>| block.key.and_then(|key| keys.iter().position(|(name, _)| *name == key.name));
        // What the schema does not name, such as topics, is in the order of who wrote it.
        if !self.source.aliases && blocks.iter().all(|block| place(block).is_some()) {
            blocks.sort_by_key(place);
        }
        let mut out = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let mut above = self.between(block.above.clone(), indent);
            if index == 0 && indent > 0 {
                let first = above.iter().position(|line| !line.is_empty()).unwrap_or(above.len());
                above.drain(..first);
            }
            out.extend(above);
            // Where keys are names, such as topics', all have one schema.
            let of_key = place(block).map_or(&schema["additionalProperties"], |at| keys[at].1);
            out.extend(self.entry(block, of_key, indent)?);
        }
        Ok(out)
    }

    /// A key with its value.
    fn entry(&self, block: &Block<'a>, schema: &Value, indent: usize) -> Result<Vec<String>, String> {
        let Some(key) = block.key else { return Err("a key is missing".to_owned()) };
        let rest = &self.source.lines[key.line][key.column + key.text.len()..];
        let rest = rest.trim_start().strip_prefix(':');
        let rest = rest.ok_or_else(|| format!("no `:` follows the key at line {}", key.line + 1))?;
        let start = self.source.lines[key.line].len() - rest.len();
        let head = format!("{}{}:", " ".repeat(indent), key.text);
        let inner = block.own.start + 1..block.own.end;
        let value = block.value;
        match &value.kind {
            Kind::Map(entries) if value.line > key.line => {
                let mut out = vec![self.line(&head, key.line, start)];
                let all = entries.iter().map(|(key, value)| (Some(key), value));
                out.extend(self.mapping(all, inner, schema, indent + LEVEL)?);
                Ok(out)
            }
            Kind::List(items) if value.line > key.line => {
                let mut out = vec![self.line(&head, key.line, start)];
                out.extend(self.list(items, inner, schema, indent + LEVEL)?);
                Ok(out)
            }
            _ if value.last <= key.line => Ok(vec![self.line(&head, key.line, start)]),
            _ => {
                // Several lines that stay as they are, moved to the side.
                let first = format!("{head} {}", rest.trim_start());
                let moved = self.moved(inner, key.column, indent);
                Ok([first.trim_end().to_owned()].into_iter().chain(moved).collect())
            }
        }
    }

    fn mapping(
        &self,
        all: impl Iterator<Item = (Option<&'a Key>, &'a Item)>,
        within: Range,
        schema: &Value,
        indent: usize,
    ) -> Result<Vec<String>, String> {
        let (blocks, tail) = self.blocks(all, within);
        let mut out = self.entries(blocks, schema, indent)?;
        out.extend(self.between(tail, indent));
        Ok(out)
    }

    /// The items of a list in their order.
    fn list(&self, items: &'a [Item], within: Range, schema: &Value, indent: usize) -> Result<Vec<String>, String> {
        let (blocks, tail) = self.blocks(items.iter().map(|item| (None, item)), within);
        let of_item = items_of(schema);
        let mut out = Vec::new();
        for block in blocks {
            out.extend(self.between(block.above.clone(), indent));
            let item = block.value;
            let before = &self.source.lines[item.line][..item.column];
            if before.trim() != "-" && !before.trim_start().starts_with("- &") {
                return Err(format!("the item at line {} does not begin behind its `-`", item.line + 1));
            }
            let dash = format!("{}-", " ".repeat(indent));
            match &item.kind {
                Kind::Map(entries) if before.trim() == "-" => {
                    let all = entries.iter().map(|(key, value)| (Some(key), value));
                    let mut inner = self.mapping(all, block.own.clone(), of_item, indent + LEVEL)?;
                    let first = inner.iter().position(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
                    let first = first.ok_or_else(|| format!("the item at line {} is empty", item.line + 1))?;
                    inner[first].replace_range(..indent + LEVEL, &format!("{dash} "));
                    inner[..first]
                        .iter_mut()
                        .for_each(|line| *line = format!("{}{}", " ".repeat(indent), line.trim_start()));
                    out.extend(inner);
                }
                Kind::Other if item.last == item.line => {
                    let start = self.source.lines[item.line].find('-').map_or(0, |at| at + 1);
                    out.push(self.line(&dash, item.line, start));
                }
                _ => {
                    let start = self.source.lines[item.line].find('-').map_or(0, |at| at + 1);
                    let first = format!("{dash} {}", self.source.lines[item.line][start..].trim_start());
                    out.push(first.trim_end().to_owned());
                    out.extend(self.moved(item.line + 1..block.own.end, start - 1, indent));
                }
            }
        }
        out.extend(self.between(tail, indent));
        Ok(out)
    }

    /// `head`, what the line has from `start` on, and its comment: in the column in which it was, where that is free.
    fn line(&self, head: &str, line: usize, start: usize) -> String {
        let text = self.source.lines[line];
        let comment = self.source.comment_at(line).filter(|at| *at >= start);
        let value = text[start..comment.unwrap_or(text.len())].trim();
        let mut out = head.to_owned();
        if !value.is_empty() {
            out.push(' ');
            out.push_str(value);
        }
        if let Some(at) = comment {
            let columns = |text: &str| text.chars().count();
            let column = columns(&text[..at]).max(columns(&out) + 1);
            out.push_str(&" ".repeat(column - columns(&out)));
            out.push_str(text[at..].trim_end());
        }
        out
    }

    /// Comments and empty lines, of which no two follow each other.
    fn between(&self, range: Range, indent: usize) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for line in &self.source.lines[range] {
            let text = line.trim();
            if !text.is_empty() {
                out.push(format!("{}{text}", " ".repeat(indent)));
            } else if out.last().is_none_or(|last| !last.is_empty()) {
                out.push(String::new());
            }
        }
        out
    }

    /// The lines as they are, moved from one column to another.
    fn moved(&self, range: Range, from: usize, to: usize) -> Vec<String> {
        let moved = |line: &&str| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let kept = (spaces + to).saturating_sub(from);
            let kept = if line.trim().is_empty() && spaces <= from { 0 } else { kept };
            format!("{}{}", " ".repeat(kept), &line[spaces..])
        };
        self.source.lines[range].iter().map(moved).collect()
    }
}

/// The column of the `-` of an item: the item is two further, or more.
fn dash(item: &Item) -> usize {
    item.column.saturating_sub(LEVEL)
}

/// The keys of a mapping with their schemas, in their order; of every form that it may have.
fn properties(schema: &Value) -> Vec<(&str, &Value)> {
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let forms = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let mut all: Vec<(&str, &Value)> = own.map(|(name, one)| (name.as_str(), one)).collect();
    all.extend(forms.flat_map(properties));
    all
}

fn items_of(schema: &Value) -> &Value {
    let forms = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    schema.get("items").or_else(|| forms.filter_map(|form| form.get("items")).next()).unwrap_or(&Value::Null)
}
