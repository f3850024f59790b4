//! What to say about a program without debug information.

use leakscope_go::anchors::Fit;
use leakscope_go::program::Program;
use leakscope_report::{Gap, Text};

use crate::progress::Progress;

/// What the user should know at once.
pub(super) fn remark(program: &Program, progress: &Progress) {
    let Some(stripped) = program.stripped() else {
        return;
    };
    progress.remark(&format!(
        "no debug info: read by the layouts of go{}; variables are named by position",
        stripped.made_from
    ));
    if let Some(doubt) = doubt(&stripped.fit) {
        progress.remark(&format!("{doubt}: mind the coverage"));
    }
}

/// What is missing or uncertain without debug information.
pub(super) fn gaps(program: &Program) -> Vec<Gap> {
    let Some(stripped) = program.stripped() else {
        return Vec::new();
    };
    let lost = stripped.lost.iter().map(|l| l.what.to_owned());
    lost.chain(doubt(&stripped.fit))
        .map(|reason| Gap {
            reason: Text::new(&reason),
            count: 1,
            examples: Vec::new(),
        })
        .collect()
}

fn doubt(fit: &Fit) -> Option<String> {
    match fit {
        Fit::Exact => None,
        Fit::NewerRelease => Some(
            "without debug info the layouts of this newer Go release are taken to be those of the newest known"
                .to_owned(),
        ),
        Fit::UnknownExperiments(names) => Some(format!(
            "without debug info the layouts are those of a build without the experiments {}",
            names.join(", ")
        )),
    }
}
