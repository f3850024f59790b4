//! What to say where a simulation is refused.

use leakscope_gomap::RELEASES;
use leakscope_report::Text;

use super::Advice;
use crate::commands::simulate::Refused;

pub(super) fn advice(refused: &Refused) -> Advice {
    match refused {
        Refused::Unknown { what } => Advice::new(
            "simulate.unknown",
            format!("{} is no scenario and no file", Text::new(what)),
        )
        .fix("list the scenarios: leakscope simulate"),
        Refused::Release { name } => {
            let known: Vec<_> = RELEASES.iter().map(|r| r.name).collect();
            Advice::new(
                "simulate.no-release",
                format!("the maps of Go {name} are not modelled"),
            )
            .seen(format!("modelled are {}", known.join(", ")))
            .fix("leave --go out for all releases")
        }
        Refused::Unreadable { file, source } => Advice::new(
            "simulate.unreadable",
            format!("cannot read {}: {source}", Text::new(file)),
        )
        .fix("name a text file, or - for standard input"),
        Refused::Trace { file, source } => Advice::new(
            "simulate.no-trace",
            format!("{}: {}", Text::new(file), super::chain(source)),
        )
        .fix("see what a trace looks like: leakscope simulate --help"),
        Refused::NothingToDraw => Advice::new(
            "simulate.nothing-to-draw",
            "this scenario has no memory over time to draw",
        )
        .fix("draw one that has: leakscope simulate growth-spike --svg FILE")
        .fix("leave --svg out"),
    }
}
