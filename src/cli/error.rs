//! Shows failures: `error:`, `caused by:` and `hint:`.

use anstyle::{AnsiColor, Style};

use super::ui;
use crate::ops::Failure;
use kstack_core::text::{many, without_number};

/// Shows `failure` on standard error.
pub fn print(failure: &Failure) {
    let red: Style = AnsiColor::Red.on_default().bold();
    let bold = Style::new().bold();
    if let Some(report) = &failure.report {
        ui::err(&report.render(ui::colour()));
        let (errors, warnings) = report.counts();
        ui::err(&format!("{}: {}\n", report.file, counted(errors, warnings)));
        return;
    }
    ui::err(&format!("{red}error:{red:#} {}\n", without_number(&failure.message)));
    for cause in &failure.causes {
        ui::err(&format!("{bold}caused by:{bold:#} {}\n", without_number(cause)));
    }
    if let Some(hint) = &failure.hint {
        ui::err(&format!("{bold}hint:{bold:#} {hint}\n"));
    }
}

/// `2 errors, 1 warning`.
pub fn counted(errors: usize, warnings: usize) -> String {
    match warnings {
        0 => many(errors, "error"),
        _ => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    }
}
