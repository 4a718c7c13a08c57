//! Rules of tags.

use crate::file::Checker;
use crate::file::node::Content;

/// AWS allows 50 tags on a resource; kstack's own and `Name` are among them.
const MOST_TAGS: usize = 38;

/// Checks the keys and values of `tags`.
pub fn check(checker: &mut Checker<'_>) {
    let tags = checker.entries("tags");
    if tags.len() > MOST_TAGS {
        checker.error(
            "tags",
            format!("{} tags are too many", tags.len()),
            format!("AWS allows 50 tags on a resource; a stack file may set {MOST_TAGS} of them"),
        );
    }
    let strange = |c: char| !(c.is_alphanumeric() || " _.:/=+-@".contains(c));
    let allowed = "use letters, digits, spaces and any of _ . : / = + - @";
    for (key, value) in tags {
        let name = key.name.as_str();
        let reserved = ["aws:", "kstack:"].iter().find(|prefix| name.to_lowercase().starts_with(**prefix));
        if let Some(prefix) = reserved {
            let message = format!("the tag `{}` begins with `{prefix}`, which is reserved", name.escape_debug());
            checker.error_at(key.at, message, "choose another key");
        } else if name == "Name" {
            let message = "kstack sets the tag `Name` from the names of the stack and the resource";
            checker.error_at(key.at, message, "choose another key");
        } else if name.is_empty() || name.chars().count() > 128 {
            checker.error_at(key.at, "this tag's key is empty or too long", "AWS allows keys of 1 to 128 characters");
        } else if name.contains(strange) {
            let message = format!("the tag `{}` has characters that AWS does not allow in a key", name.escape_debug());
            checker.error_at(key.at, message, allowed);
        }
        let Content::Scalar(text) = &value.content else { continue };
        if text.chars().count() > 256 {
            checker.error_at(value.at, "this tag's value is too long", "AWS allows values of at most 256 characters");
        } else if text.contains(strange) {
            let message =
                format!("the value of the tag `{}` has characters that AWS does not allow", name.escape_debug());
            checker.error_at(value.at, message, allowed);
        }
    }
}
