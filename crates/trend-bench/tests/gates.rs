//! The gates of the benchmark, on seeds that nothing was tuned on.

use leakscope_trend::Config;
use leakscope_trend_bench::{Bench, Help, Looks, Rule, Scenario, Score, Sizing, is_right};

#[test]
fn base_sizing_meets_its_gates_by_trend_alone() {
    let bench = Bench::new(&Scenario::CORE, Sizing::Base, 500..515);
    let score = Score::of(&bench.engine(Help::None, &Config::default()));
    assert!(score.f1() >= 0.95, "F1 {:.3}", score.f1());
    assert!(score.recall() >= 0.98, "recall {:.3}", score.recall());
    let rate = score.false_positive_rate();
    assert!(rate <= 0.06, "false positives {rate:.3}");
    let lead = score.lead_hours().unwrap();
    assert!(lead >= 6.0, "lead {lead:.1} h");
    for rule in Rule::ALL {
        let today = Score::of(&bench.rule(rule)).f1();
        assert!(today < score.f1(), "{rule:?} is better: {today:.3}");
    }
}

#[test]
fn tight_sizing_meets_its_gate_by_trend_alone_and_gains_by_memory_and_evidence() {
    let bench = Bench::new(&Scenario::CORE, Sizing::Tight, 600..616);
    let config = Config::default();
    let alone = Score::of(&bench.engine(Help::None, &config));
    assert!(alone.f1() >= 0.85, "F1 {:.3}", alone.f1());
    let helped = Score::of(&bench.engine(Help::MemoryAndEvidence(Looks::MEASURED), &config));
    assert!(helped.f1() >= 0.94, "F1 {:.3}", helped.f1());
}

#[test]
fn cases_beyond_the_23_come_out_as_expected() {
    let bench = Bench::new(&Scenario::EXTRA, Sizing::Base, 500..502);
    for outcome in bench.engine(Help::None, &Config::default()) {
        assert!(is_right(&outcome), "{outcome:?}");
    }
}
