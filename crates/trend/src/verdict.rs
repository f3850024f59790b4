//! What is said about a channel, and why.

use crate::{Channel, Millis, Risk};

/// What a series looks like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Too little is known to say anything: too few floors, or none for too long.
    Unknown,
    /// No growth that would end the process.
    Quiet,
    /// Growth that passes every test, but would take long to fill what room is left: worth collecting evidence.
    Suspect,
    /// Growth that passes every test and fills the room that is left as fast as it has been watched growing.
    Leak,
}

impl Verdict {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Quiet => "quiet",
            Self::Suspect => "suspect",
            Self::Leak => "leak",
        }
    }
}

/// What is asked of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TestName {
    /// There are enough spans of time with a floor.
    Groups,
    /// They cover enough time.
    Span,
    /// Mann-Kendall's z: the order of values is a rise.
    Trend,
    /// The rise is large enough to matter, in the channel's unit.
    Growth,
    /// The rise is large against the noise around it: multiples of the noise's standard deviation.
    Noise,
    /// Steps from each sixth of the window to the next that rise by their share.
    Steps,
    /// Share of the whole rise in its biggest step.
    BiggestStep,
    /// The newest sixth is the highest: by how much it is above the highest of the others, in the channel's unit.
    Record,
    /// Slope of the window's last third over the slope of all.
    Plateau,
    /// How far the newest floor is above every earlier one and above earlier lives of the workload, in the channel's unit.
    HighWater,
    /// Share of the slope that is left when what follows the load is taken away.
    LoadIndependent,
    /// The time watched growing over the time left until it is full.
    Pace,
    /// How many times the first value the newest is, of a channel that nothing bounds.
    Factor,
    /// Evaluations in a row that came out so.
    InARow,
    /// What is known of the growing objects does not say that they are bounded.
    Evidence,
    /// Replicas of different ages hold different amounts: growth does not follow the clock on the wall.
    Replicas,
    /// A condition of a signature or a threshold: the value that it looks at.
    Condition,
}

impl TestName {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Span => "span",
            Self::Trend => "trend",
            Self::Growth => "growth",
            Self::Noise => "noise",
            Self::Steps => "steps",
            Self::BiggestStep => "biggest_step",
            Self::Record => "record",
            Self::Plateau => "plateau",
            Self::HighWater => "high_water",
            Self::LoadIndependent => "load_independent",
            Self::Pace => "pace",
            Self::Factor => "factor",
            Self::InARow => "in_a_row",
            Self::Evidence => "evidence",
            Self::Replicas => "replicas",
            Self::Condition => "condition",
        }
    }
}

/// One test with what it saw and what it wanted: enough to see what would have changed the verdict.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Test {
    /// Which.
    pub name: TestName,
    /// What was seen.
    pub value: f64,
    /// What it is compared with.
    pub bound: f64,
    /// Whether it passed.
    pub passed: bool,
}

impl Test {
    pub(crate) fn at_least(name: TestName, value: f64, bound: f64) -> Self {
        let passed = value >= bound;
        Self {
            name,
            value,
            bound,
            passed,
        }
    }

    pub(crate) fn at_most(name: TestName, value: f64, bound: f64) -> Self {
        let passed = value <= bound;
        Self {
            name,
            value,
            bound,
            passed,
        }
    }
}

/// What a verdict is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judged {
    /// A channel.
    Channel(Channel),
    /// A signature or threshold, by its name.
    Signature(String),
}

impl Judged {
    /// Its name in output.
    pub fn name(&self) -> &str {
        match self {
            Self::Channel(channel) => channel.name(),
            Self::Signature(name) => name,
        }
    }
}

/// A verdict that changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// When it was decided.
    pub at: Millis,
    /// About what.
    pub about: Judged,
    /// What it was.
    pub from: Verdict,
    /// What it is.
    pub verdict: Verdict,
    /// How urgent it is, with every term.
    pub risk: Risk,
    /// Growth in the channel's unit per second, where a trend was found.
    pub slope: Option<f64>,
    /// Milliseconds until the channel is full at that slope, where it is bounded.
    pub time_to_exhaustion: Option<Millis>,
    /// Length of the window that decided, in milliseconds.
    pub window: Option<Millis>,
    /// What was tested in that window.
    pub tests: Vec<Test>,
}

impl Change {
    /// Whether a leak stopped being one.
    pub fn cleared(&self) -> bool {
        self.from == Verdict::Leak && self.verdict != Verdict::Leak
    }
}
