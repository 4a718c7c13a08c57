//! Links of the documents lead somewhere: to a file, and to a heading where they name one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every document of the project.
fn documents() -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, out);
            } else if name.ends_with(".md") {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), &mut out);
    out.sort();
    out
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let plain = heading.to_lowercase().replace(' ', "-");
        let plain: String = plain.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let before = seen.entry(plain.clone()).or_default();
        *before += 1;
        if *before == 1 { plain } else { format!("{plain}-{}", *before - 1) }
    };
    headings.map(anchor).collect()
}

/// What is wrong with a link of `document`, if anything.
fn wrong(document: &Path, text: &str, link: &str) -> Option<&'static str> {
    if link.starts_with("http") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = document.parent().unwrap_or(Path::new(".")).join(file);
    if !path.exists() {
        return Some("is not there");
    }
    let anchor = anchor?;
    let named = if file.is_empty() { text.to_owned() } else { std::fs::read_to_string(path).unwrap_or_default() };
    (!anchors(&named).contains(anchor)).then_some("has no such heading")
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let (mut seen, mut broken) = (0, Vec::new());
    let documents = documents();
    for known in ["README.md", "CHANGELOG.md", "docs/reference.md", "localstack/README.md", "fuzz/README.md"] {
        assert!(documents.iter().any(|path| path.ends_with(known)), "{known} is not read");
    }
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            seen += 1;
            broken.extend(wrong(&document, &text, link).map(|why| format!("{}: {link} {why}", document.display())));
        }
    }
    assert!(seen > 10, "only {seen} links are seen");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_is_in_the_book() {
    let summary = std::fs::read_to_string("docs/SUMMARY.md").expect("the summary");
    let pages = documents().into_iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("docs")));
    for page in pages.filter(|page| !page.ends_with("SUMMARY.md")) {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(summary.contains(&format!("]({name})")), "docs/SUMMARY.md has no {name}");
    }
}

#[test]
fn an_anchor_is_a_heading_in_small_letters() {
    let text = "# One `thing`, two\n\n```sh\n# no heading\n```\n## More\n### More\n";
    assert_eq!(anchors(text), ["one-thing-two", "more", "more-1"].map(str::to_owned).into());
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert_eq!(wrong(&here, text, "#more-1"), None);
    assert_eq!(wrong(&here, text, "#most"), Some("has no such heading"));
    assert_eq!(wrong(&here, text, "docs/none.md"), Some("is not there"));
    assert_eq!(wrong(&here, text, "CONTRIBUTING.md#none"), Some("has no such heading"));
}
