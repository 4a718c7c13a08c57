//! Where everything of a picture is, as plain data: boxes with their texts, and arrows. Zones stand side by side.

use super::measure::{Font, clean};
use super::shown::{Diagram, Part, Role, SubnetPart, Tone, ZonePart};
use super::ways::{Flow, WayPart};

/// All in pixels.
const MARGIN: i32 = 24;
const PAD: i32 = 12;
const GAP: i32 = 16;
/// A zone's width; fewer than three zones share the width of three.
const ZONE: i32 = 324;
/// A card's least width: a subnet with room for two has two columns.
const CARD: i32 = 270;
const LINE: i32 = 17;
/// How far a way in or out is from the network.
const ARROW: i32 = 34;
/// How far each card behind a card that stands for several sticks out.
const BEHIND: i32 = 4;

/// A picture: boxes in the order in which they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: i32,
    pub height: i32,
    pub title: String,
    /// All of it in words, for those who do not see it.
    pub about: String,
    pub boxes: Vec<Shape>,
    pub arrows: Vec<Arrow>,
}

/// A box with its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub look: Look,
    /// What it is, untrimmed.
    pub title: String,
    pub place: Rect,
    /// Whether it stands for several.
    pub several: bool,
    pub texts: Vec<Text>,
}

/// What a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// No box at all.
    Heading,
    Way,
    Network,
    OthersNetwork,
    Zone,
    PublicSubnet,
    PrivateSubnet,
    Card(Role),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

/// A line of text; `y` is its base line.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub x: i32,
    pub y: i32,
    pub(super) font: Font,
    pub text: String,
    pub mark: Mark,
}

/// What stands before a text, or how it is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Plain,
    Faint,
    Disk,
    Tone(Tone),
}

/// A vertical arrow between a way and the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    pub x: i32,
    pub from: i32,
    pub to: i32,
}

impl Text {
    /// What stands before it takes so much room.
    pub(super) const MARKED: i32 = 18;

    fn new(x: i32, y: i32, font: Font, mark: Mark, text: impl Into<String>) -> Text {
        Text { x, y, font, text: text.into(), mark }
    }

    /// Where the letters are.
    pub fn place(&self) -> Rect {
        let width = self.font.width(&self.text);
        Rect { x: self.x, y: self.y - self.font.size * 4 / 5, width, height: self.font.size }
    }
}

/// A box that is filled from the top.
struct Column {
    place: Rect,
    texts: Vec<Text>,
    /// Where the next line's base is.
    next: i32,
}

impl Column {
    fn new(x: i32, y: i32, width: i32) -> Column {
        Column { place: Rect { x, y, width, height: 0 }, texts: Vec::new(), next: y + PAD + 12 }
    }

    fn room(&self) -> i32 {
        self.place.width - 2 * PAD
    }

    /// Adds `text` in at most `most` lines.
    fn add(&mut self, font: Font, mark: Mark, text: &str, most: usize) {
        let indent = if matches!(mark, Mark::Disk | Mark::Tone(_)) { Text::MARKED } else { 0 };
        for (index, line) in font.wrap(text, self.room() - indent, most).into_iter().enumerate() {
            let mark = if index > 0 && indent > 0 { Mark::Faint } else { mark };
            self.texts.push(Text::new(self.place.x + PAD + indent, self.next, font, mark, line));
            self.next += LINE;
        }
    }

    /// The height that it needs.
    fn height(&self) -> i32 {
        self.next - LINE + PAD - self.place.y
    }

    fn shape(self, look: Look, title: String, height: i32, several: bool) -> Shape {
        Shape { look, title: clean(&title), place: Rect { height, ..self.place }, several, texts: self.texts }
    }
}

impl Picture {
    /// The picture of `diagram`.
    pub fn of(diagram: &Diagram) -> Picture {
        let zones = i32::try_from(diagram.zones.len()).unwrap_or(1).max(1);
        let inner = (zones * ZONE + (zones - 1) * GAP).max(3 * ZONE + 2 * GAP);
        let zone_width = (inner - (zones - 1) * GAP) / zones;
        let network_width = inner + 2 * GAP;
        let width = network_width + 2 * MARGIN;
        let (mut boxes, mut arrows) = (Vec::new(), Vec::new());
        let mut y = heading(diagram, network_width, &mut boxes);
        y = ways(&diagram.ways, y, network_width, &mut boxes, &mut arrows);
        let network = boxes.len();
        let mut column = Column::new(MARGIN, y, network_width);
        column.add(Font::NAME, Mark::Plain, &diagram.network, 1);
        let look = if diagram.own_network { Look::Network } else { Look::OthersNetwork };
        boxes.push(column.shape(look, diagram.network.clone(), 0, false));
        let x = MARGIN + GAP;
        let top = y + 36;
        let mut bottom = top + zones_at(&diagram.zones, x, top, zone_width, &mut boxes);
        for part in &diagram.shared {
            bottom += GAP;
            let column = card(part, x, bottom, inner);
            let height = column.height();
            boxes.push(column.shape(Look::Card(part.role), title(part), height, part.count > 1));
            bottom += height;
        }
        boxes[network].place.height = bottom + GAP - y;
        Picture {
            width,
            height: bottom + GAP + MARGIN,
            title: clean(&diagram.title),
            about: clean(&words(diagram)),
            boxes,
            arrows,
        }
    }
}

/// The title, and what the cluster is; returns where what follows begins.
fn heading(diagram: &Diagram, width: i32, boxes: &mut Vec<Shape>) -> i32 {
    let mut texts = vec![
        Text::new(MARGIN, 44, Font::TITLE, Mark::Plain, Font::TITLE.fit(&diagram.title, width)),
        Text::new(MARGIN, 68, Font::ABOUT, Mark::Faint, Font::ABOUT.fit(&diagram.about, width)),
    ];
    if let Some(state) = &diagram.state {
        let x = MARGIN + Text::MARKED;
        let text = Font::ABOUT.fit(&state.words(), width - Text::MARKED);
        texts.push(Text::new(x, 92, Font::ABOUT, Mark::Tone(state.tone), text));
    }
    let height = 48 + 24 * i32::from(diagram.state.is_some());
    let place = Rect { x: MARGIN, y: 24, width, height };
    boxes.push(Shape { look: Look::Heading, title: clean(&diagram.title), place, several: false, texts });
    24 + height + GAP
}

/// The ways in and out, side by side; returns where the network begins.
fn ways(all: &[WayPart], y: i32, width: i32, boxes: &mut Vec<Shape>, arrows: &mut Vec<Arrow>) -> i32 {
    let count = i32::try_from(all.len()).unwrap_or(1).max(1);
    let each = (width - (count - 1) * GAP) / count;
    let columns: Vec<Column> = (0..)
        .zip(all)
        .map(|(index, way)| {
            let mut column = Column::new(MARGIN + index * (each + GAP), y, each);
            column.add(Font::NAME, Mark::Plain, &way.name, 1);
            way.lines.iter().take(4).for_each(|line| column.add(Font::TEXT, Mark::Faint, line, 3));
            if way.lines.len() > 4 {
                column.add(Font::TEXT, Mark::Faint, &format!("and {} more", way.lines.len() - 4), 1);
            }
            column
        })
        .collect();
    let height = columns.iter().map(Column::height).max().unwrap_or(0);
    let (top, bottom) = (y + height + 5, y + height + ARROW - 5);
    for (column, way) in columns.into_iter().zip(all) {
        let x = column.place.x + column.place.width / 2;
        let (from, to) = if way.flow == Flow::In { (top, bottom) } else { (bottom, top) };
        arrows.push(Arrow { x, from, to });
        boxes.push(column.shape(Look::Way, format!("{}: {}", way.name, way.lines.join("; ")), height, false));
    }
    y + height + ARROW
}

/// The zones side by side, their subnets in rows; returns the height.
fn zones_at(zones: &[ZonePart], x: i32, y: i32, width: i32, boxes: &mut Vec<Shape>) -> i32 {
    let rows = zones.iter().map(|zone| zone.subnets.len()).max().unwrap_or(0);
    let place = |index: i32| x + index * (width + GAP);
    let mut drawn: Vec<Vec<Shape>> = vec![Vec::new(); zones.len()];
    let mut top = y + 34;
    for row in 0..rows {
        let columns: Vec<(Shape, Vec<Shape>)> = (0..)
            .zip(zones)
            .filter_map(|(index, zone)| Some(subnet(zone.subnets.get(row)?, place(index) + PAD, top, width - 2 * PAD)))
            .collect();
        let height = columns.iter().map(|(subnet, _)| subnet.place.height).max().unwrap_or(0);
        for (into, (mut subnet, cards)) in drawn.iter_mut().zip(columns) {
            subnet.place.height = height;
            into.push(subnet);
            into.extend(cards);
        }
        top += height + PAD;
    }
    let height = top - y;
    for ((index, zone), shapes) in (0..).zip(zones).zip(drawn) {
        let mut column = Column::new(place(index), y, width);
        column.add(Font::NAME, Mark::Plain, &zone.name, 1);
        boxes.push(column.shape(Look::Zone, zone.name.clone(), height, false));
        boxes.extend(shapes);
    }
    height
}

/// A subnet as high as it must be, and the cards in it.
fn subnet(one: &SubnetPart, x: i32, y: i32, width: i32) -> (Shape, Vec<Shape>) {
    let mut column = Column::new(x, y, width);
    column.add(Font::TEXT, Mark::Plain, &one.name, 2);
    column.add(Font::TEXT, Mark::Faint, &one.about, 2);
    let mut top = column.next - LINE + PAD;
    let room = width - 2 * PAD;
    let across = ((room + PAD) / (CARD + PAD)).max(1);
    let each = (room - (across - 1) * PAD) / across;
    let mut cards = Vec::new();
    for row in one.parts.chunks(across as usize) {
        let columns: Vec<Column> =
            (0..).zip(row).map(|(at, part)| card(part, x + PAD + at * (each + PAD), top, each)).collect();
        let height = columns.iter().map(Column::height).max().unwrap_or(0);
        let several = row.iter().any(|part| part.count > 1);
        for (column, part) in columns.into_iter().zip(row) {
            cards.push(column.shape(Look::Card(part.role), title(part), height, part.count > 1));
        }
        top += height + PAD + if several { 2 * BEHIND } else { 0 };
    }
    let look = if one.public { Look::PublicSubnet } else { Look::PrivateSubnet };
    (column.shape(look, format!("{}, {}", one.name, one.about), top - y, false), cards)
}

/// A host, or whatever else is in a subnet.
fn card(part: &Part, x: i32, y: i32, width: i32) -> Column {
    let mut column = Column::new(x, y, width);
    let own = part.own.as_deref().unwrap_or_default();
    let right = Font::TEXT.width(own);
    let room = column.room() - if own.is_empty() { 0 } else { right + PAD };
    column.texts.push(Text::new(x + PAD, column.next, Font::NAME, Mark::Plain, Font::NAME.fit(&part.name, room)));
    if !own.is_empty() {
        let at = x + width - PAD - right;
        column.texts.push(Text::new(at, column.next, Font::TEXT, Mark::Faint, own));
    }
    column.next += LINE + 1;
    for line in &part.lines {
        column.add(Font::TEXT, if line.disk { Mark::Disk } else { Mark::Faint }, &line.text, 4);
    }
    if let Some(state) = &part.state {
        column.add(Font::TEXT, Mark::Tone(state.tone), &state.words(), 3);
    }
    column
}

/// A part in words.
fn title(part: &Part) -> String {
    let lines = part.lines.iter().map(|line| line.text.clone());
    let all = [part.name.clone()].into_iter().chain(part.own.clone()).chain(lines);
    all.chain(part.state.as_ref().map(|state| state.words())).collect::<Vec<_>>().join(", ")
}

/// The whole picture in words.
fn words(diagram: &Diagram) -> String {
    let mut all = vec![diagram.about.clone()];
    all.extend(diagram.state.as_ref().map(|state| state.words()));
    all.extend(diagram.ways.iter().map(|way| format!("{}: {}", way.name, way.lines.join("; "))));
    all.push(diagram.network.clone());
    for zone in &diagram.zones {
        for subnet in &zone.subnets {
            let parts: Vec<String> = subnet.parts.iter().map(title).collect();
            let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") };
            all.push(format!("{}, {}, {}: {parts}", zone.name, subnet.name, subnet.about));
        }
    }
    all.extend(diagram.shared.iter().map(title));
    all.join(". ") + "."
}
