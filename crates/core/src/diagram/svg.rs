//! A picture as SVG: one file, without scripts, fonts or anything else from elsewhere, readable on a light page and on a dark one.

use svg::Document;
use svg::node::element::{Circle, Description, Group, Path, Rectangle, Style, Text as Letters, Title};

use super::layout::{Arrow, Look, Mark, Picture, Shape, Text};
use super::measure::Font;
use super::shown::{Role, Tone};

/// A class with its fill and stroke on a light page, and on a dark one.
type Colours = (&'static str, [&'static str; 2], [&'static str; 2]);

/// What everything looks like.
const COLOURS: [Colours; 19] = [
    ("page", ["#ffffff", "none"], ["#0d1117", "none"]),
    ("way", ["#ffffff", "#8c959f"], ["#161b22", "#656c76"]),
    ("network", ["#f6f8fa", "#8c959f"], ["#151b23", "#656c76"]),
    ("zone", ["#ffffff", "#d0d7de"], ["#0d1117", "#3d444d"]),
    ("public", ["#fff8e6", "#e2cf9f"], ["#231c0c", "#57491f"]),
    ("private", ["#edf4fc", "#bcd3ec"], ["#0f1c2e", "#274366"]),
    ("card", ["#ffffff", "#afb8c1"], ["#161b22", "#4c545e"]),
    ("broker", ["#0969da", "none"], ["#4493f8", "none"]),
    ("controller", ["#8250df", "none"], ["#ab7df8", "none"]),
    ("client", ["#1a7f37", "none"], ["#3fb950", "none"]),
    ("nat", ["#bc4c00", "none"], ["#db6d28", "none"]),
    ("endpoint", ["#6e7781", "none"], ["#8b949e", "none"]),
    ("well", ["#1a7f37", "none"], ["#3fb950", "none"]),
    ("waiting", ["#9a6700", "none"], ["#d29922", "none"]),
    ("ill", ["#cf222e", "none"], ["#f85149", "none"]),
    ("ink", ["#1f2328", "none"], ["#e6edf3", "none"]),
    ("faint", ["#59636e", "none"], ["#9da7b1", "none"]),
    ("disk", ["none", "#59636e"], ["none", "#9da7b1"]),
    ("arrow", ["#59636e", "#59636e"], ["#9da7b1", "#9da7b1"]),
];

fn style() -> String {
    let rule = |class: &str, [fill, stroke]: [&str; 2]| format!(".{class}{{fill:{fill};stroke:{stroke}}}");
    let light: String = COLOURS.iter().map(|(class, light, _)| rule(class, *light)).collect();
    let dark: String = COLOURS.iter().map(|(class, _, dark)| rule(class, *dark)).collect();
    let font = "text{font-family:system-ui,-apple-system,\"Segoe UI\",Helvetica,Arial,sans-serif}";
    format!("{font}.others{{stroke-dasharray:6 4}}\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}")
}

impl Picture {
    /// The picture as an SVG file.
    pub fn svg(&self) -> String {
        let mut document = Document::new()
            .set("viewBox", (0, 0, self.width, self.height))
            .set("width", self.width)
            .set("height", self.height)
            .set("role", "img")
            .set("aria-labelledby", "title about")
            .add(Title::new(&self.title).set("id", "title"))
            .add(Description::new().set("id", "about").add(svg::node::Text::new(&self.about)))
            .add(Style::new(style()))
            .add(Rectangle::new().set("class", "page").set("width", self.width).set("height", self.height));
        for shape in &self.boxes {
            document = document.add(drawn(shape));
        }
        for arrow in &self.arrows {
            document = document.add(drawn_arrow(*arrow));
        }
        format!("{document}\n")
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Broker => "broker",
        Role::Controller => "controller",
        Role::Client => "client",
        Role::Nat => "nat",
        Role::Endpoint => "endpoint",
    }
}

fn drawn(shape: &Shape) -> Group {
    let place = shape.place;
    let rectangle = |by: i32| {
        Rectangle::new()
            .set("x", place.x + by)
            .set("y", place.y + by)
            .set("width", place.width)
            .set("height", place.height)
            .set("rx", 6)
    };
    let mut group = Group::new().add(Title::new(&shape.title));
    let class = match shape.look {
        Look::Heading => None,
        Look::Way => Some("way"),
        Look::Network => Some("network"),
        Look::OthersNetwork => Some("network others"),
        Look::Zone => Some("zone"),
        Look::PublicSubnet => Some("public"),
        Look::PrivateSubnet => Some("private"),
        Look::Card(_) => Some("card"),
    };
    if let Some(class) = class {
        let behind = if shape.several { &[8, 4][..] } else { &[] };
        for by in behind {
            group = group.add(rectangle(*by).set("class", class));
        }
        group = group.add(rectangle(0).set("class", class));
    }
    if let Look::Card(of) = shape.look {
        let stripe = Rectangle::new()
            .set("class", role(of))
            .set("x", place.x)
            .set("y", place.y + 6)
            .set("width", 4)
            .set("height", place.height - 12);
        group = group.add(stripe);
    }
    for text in &shape.texts {
        group = with_text(group, text);
    }
    group
}

fn with_text(mut group: Group, text: &Text) -> Group {
    let class = match text.mark {
        Mark::Plain => "ink",
        Mark::Faint | Mark::Disk => "faint",
        Mark::Tone(_) => "ink",
    };
    let (left, middle) = (text.x - Text::MARKED, text.y - text.font.size / 3);
    match text.mark {
        Mark::Plain | Mark::Faint => {}
        Mark::Disk => group = group.add(disk(left, middle)),
        Mark::Tone(tone) => group = group.add(sign(tone, left + 6, middle)),
    }
    let Font { size, bold } = text.font;
    let mut letters =
        Letters::new(&text.text).set("class", class).set("x", text.x).set("y", text.y).set("font-size", size);
    if bold {
        letters = letters.set("font-weight", 600);
    }
    group.add(letters)
}

/// A cylinder.
fn disk(x: i32, middle: i32) -> Path {
    let (left, right, top, bottom) = (x + 1, x + 11, middle - 4, middle + 4);
    let data = format!("M{left} {top}a5 2 0 0 1 10 0v8a5 2 0 0 1 -10 0zM{left} {top}a5 2 0 0 0 10 0M{right} {bottom}");
    Path::new().set("class", "disk").set("d", data)
}

/// How something is: a disc, a ring or a cross, so that colours are not all that tells them apart.
fn sign(tone: Tone, x: i32, middle: i32) -> Group {
    match tone {
        Tone::Well => Group::new().add(Circle::new().set("class", "well").set("cx", x).set("cy", middle).set("r", 5)),
        Tone::Waiting => {
            let ring = format!("M{} {middle}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0zm3 0a2 2 0 1 1 4 0a2 2 0 1 1 -4 0z", x - 5);
            Group::new().add(Path::new().set("class", "waiting").set("fill-rule", "evenodd").set("d", ring))
        }
        Tone::Ill => {
            let cross =
                format!("M{} {}l3 -3l3 3l3 -3l2 2l-3 3l3 3l-2 2l-3 -3l-3 3l-2 -2l3 -3l-3 -3z", x - 4, middle - 2);
            Group::new().add(Path::new().set("class", "ill").set("d", cross))
        }
    }
}

fn drawn_arrow(arrow: Arrow) -> Path {
    let Arrow { x, from, to } = arrow;
    let back = if to > from { -8 } else { 8 };
    let data = format!("M{x} {from}V{to}M{x} {to}l-5 {back}h10z");
    Path::new().set("class", "arrow").set("stroke-width", 2).set("d", data)
}
