//! What the YAML parser says, in words for people who write stack files.

use serde_yaml::Error;
use serde_yaml::budget::BudgetBreach;

/// What is wrong, and what would be right; the latter may be empty.
pub fn explain(error: &Error) -> (String, &'static str) {
    let (message, help) = match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_ref().map(|key| format!(" `{}`", key.escape_debug())).unwrap_or_default();
            return (format!("the key{key} is written twice in one mapping"), "keep one of them");
        }
        Error::UnknownAnchor { .. } => (
            "this alias has no anchor",
            "write `&NAME` before the value that it stands for; a text that begins with `*` needs quotes",
        ),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => (
            "a second document begins here",
            "a stack file has one document: write the other stack in a file of its own",
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => ("this is nested too deeply", ""),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            ("the file has too many values, counting those that its aliases repeat", "write fewer `*` aliases")
        }
        Error::AliasError { error, .. } => return explain(error),
        other => return syntax(&other.to_string()),
    };
    (message.to_owned(), help)
}

/// Words of the parser's own messages, and what is the matter when they are met.
const HELP: [(&str, &str); 7] = [
    ("recursion limit", "this is nested too deeply"),
    ("tab", "indent with spaces: YAML takes no tabs there"),
    ("mapping values", "indent this key like those beside it; or put a text that has `: ` in it in quotes"),
    ("quoted scalar", "a quote that is opened here or above is not closed"),
    ("flow mapping", "a comma or `}` is missing here or above"),
    ("flow sequence", "a comma or `]` is missing here or above"),
    ("unexpected character", "remove this character"),
];

fn syntax(message: &str) -> (String, &'static str) {
    // The parser appends the place, which is shown apart.
    let first = message.lines().next().unwrap_or(message);
    let cut = first.find(" at line ").map_or(first, |end| &first[..end]);
    let help = HELP.iter().find(|(word, _)| cut.contains(word)).map_or("", |(_, help)| help);
    (format!("this is not YAML: {}", cut.trim_start_matches("error: ")), help)
}
