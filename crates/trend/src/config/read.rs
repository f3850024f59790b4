//! TOML to a [`Config`], with every error and its line.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{bytes, duration, percent};
use super::{Config, Sensitivity};
use crate::signature::{Condition, MAX_CONDITIONS, MAX_SIGNATURES, Shape, Signature, is_signal};
use crate::window::{MAX_GROUPS, MAX_STEPS};
use crate::{Millis, Verdict};

/// Longest text that is read: a configuration is some kilobytes.
const MAX_TEXT: usize = 1 << 20;

/// Most floors of a series: 14 days of floors of half a minute.
const MAX_BUCKETS: i64 = 40_320;

/// Most windows.
const MAX_WINDOWS: usize = 12;

/// Something wrong with a configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConfigError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

pub(super) fn read(text: &str) -> Result<Config, Vec<ConfigError>> {
    let mut reader = Reader {
        text,
        errors: Vec::new(),
    };
    if text.len() > MAX_TEXT {
        reader.error(0, "larger than 1 MiB".to_owned());
        return Err(reader.errors);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |s| s.start);
        reader.error(at, error.message().to_owned());
    }
    let mut config = Config::default();
    reader.root(table.get_ref(), &mut config);
    if reader.errors.is_empty() {
        Ok(config)
    } else {
        reader.errors.sort();
        Err(reader.errors)
    }
}

struct Reader<'a> {
    text: &'a str,
    errors: Vec<ConfigError>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn error(&mut self, at: usize, message: String) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        self.errors.push(ConfigError { line, message });
    }

    fn unknown(&mut self, at: usize, key: &str, known: &[&str]) {
        self.error(
            at,
            format!("unknown key {key:?}; there are: {}", known.join(", ")),
        );
    }

    fn root(&mut self, table: &DeTable<'_>, config: &mut Config) {
        const KNOWN: &[&str] = &[
            "sensitivity",
            "floors",
            "evaluate",
            "tests",
            "fleet",
            "watch",
            "threshold",
            "signature",
        ];
        for (key, value) in table {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "sensitivity" => self.sensitivity(value, config),
                "floors" => self.section(value, |r, k, v| r.floors(k, v, config)),
                "evaluate" => self.section(value, |r, k, v| r.evaluate(k, v, config)),
                "tests" => self.section(value, |r, k, v| r.tests(k, v, config)),
                "fleet" => self.section(value, |r, k, v| r.fleet(k, v, config)),
                // What to watch and how: read by the agent.
                "watch" => {}
                "threshold" => self.each(value, |r, v| r.threshold(v, config)),
                "signature" => self.each(value, |r, v| r.signature(v, config)),
                other => self.unknown(at, other, KNOWN),
            }
        }
        self.sense(table, config);
    }

    /// What holds between values of different sections.
    fn sense(&mut self, table: &DeTable<'_>, config: &mut Config) {
        let floors = table
            .iter()
            .find(|(k, _)| k.get_ref().as_ref() == "floors")
            .map_or(0, |(k, _)| k.span().start);
        let buckets = config.keep / config.bucket.max(1);
        if buckets > MAX_BUCKETS {
            self.error(
                floors,
                format!("keep / bucket is {buckets}, more than {MAX_BUCKETS} floors"),
            );
        }
        if config.keep < config.tests.min_span {
            self.error(floors, "keep is shorter than tests.min_span".to_owned());
        }
        if config.tests.min_groups > config.tests.groups {
            self.error(
                floors,
                "tests.min_groups is more than tests.groups".to_owned(),
            );
        }
        config.windows.sort_unstable_by(|a, b| b.cmp(a));
        config.windows.dedup();
    }

    fn section(
        &mut self,
        value: &Value<'_>,
        mut each: impl FnMut(&mut Self, &Spanned<std::borrow::Cow<'_, str>>, &Value<'_>),
    ) {
        let Some(table) = value.get_ref().as_table() else {
            let kind = value.get_ref().type_str();
            self.error(value.span().start, format!("a table is wanted, not {kind}"));
            return;
        };
        for (key, value) in table {
            each(self, key, value);
        }
    }

    fn each(&mut self, value: &Value<'_>, mut each: impl FnMut(&mut Self, &Value<'_>)) {
        let Some(list) = value.get_ref().as_array() else {
            self.error(
                value.span().start,
                "a list of tables is wanted, such as [[threshold]]".to_owned(),
            );
            return;
        };
        for value in list.iter() {
            each(self, value);
        }
    }

    fn sensitivity(&mut self, value: &Value<'_>, config: &mut Config) {
        match self.text_of(value) {
            Some("early") => config.sensitivity = Sensitivity::Early,
            Some("normal") => config.sensitivity = Sensitivity::Normal,
            Some("quiet") => config.sensitivity = Sensitivity::Quiet,
            Some(other) => self.error(
                value.span().start,
                format!("sensitivity is early, normal or quiet, not {other:?}"),
            ),
            None => {}
        }
    }

    fn floors(&mut self, key: &Key<'_>, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &[
            "bucket",
            "keep",
            "warm_up",
            "warm_up_share",
            "stale",
            "restart_drop",
        ];
        match key.get_ref().as_ref() {
            "bucket" => self.duration(value, &mut c.bucket),
            "keep" => self.duration(value, &mut c.keep),
            "warm_up" => self.duration(value, &mut c.warm_up),
            "warm_up_share" => self.number(value, 0.0..=0.9, &mut c.warm_up_share),
            "stale" => self.duration(value, &mut c.stale),
            "restart_drop" => self.number(value, 0.05..=1.0, &mut c.restart_drop),
            other => self.unknown(key.span().start, other, KNOWN),
        }
    }

    fn evaluate(&mut self, key: &Key<'_>, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &["every", "windows", "hits", "clear_after", "evidence_until"];
        match key.get_ref().as_ref() {
            "every" => self.duration(value, &mut c.every),
            "windows" => self.windows(value, c),
            "hits" => self.whole(value, 1..=1000, &mut c.hits),
            "clear_after" => self.whole(value, 1..=100_000, &mut c.clear_after),
            "evidence_until" => self.number(value, 0.0..=1.0, &mut c.evidence_until),
            other => self.unknown(key.span().start, other, KNOWN),
        }
    }

    fn windows(&mut self, value: &Value<'_>, c: &mut Config) {
        let mut windows = Vec::new();
        self.each(value, |reader, value| {
            let mut window = 0;
            reader.duration(value, &mut window);
            windows.push(window);
        });
        if windows.len() > MAX_WINDOWS {
            self.error(
                value.span().start,
                format!("more than {MAX_WINDOWS} windows"),
            );
        } else {
            c.windows = windows;
        }
    }

    fn tests(&mut self, key: &Key<'_>, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &[
            "groups",
            "min_groups",
            "min_span",
            "z",
            "min_growth_share",
            "min_growth",
            "noise_factor",
            "steps",
            "steps_missing",
            "step_share",
            "biggest_step",
            "plateau",
            "suspect",
            "count_factor",
            "count_growth",
            "unbounded_factor",
        ];
        let t = &mut c.tests;
        match key.get_ref().as_ref() {
            "groups" => self.size(value, 4..=MAX_GROUPS, &mut t.groups),
            "min_groups" => self.size(value, 4..=MAX_GROUPS, &mut t.min_groups),
            "min_span" => self.duration(value, &mut t.min_span),
            "z" => self.number(value, 0.0..=100.0, &mut t.z),
            "min_growth_share" => self.number(value, 0.0..=1.0, &mut t.min_growth_share),
            "min_growth" => self.quantity(value, &mut t.min_growth),
            "noise_factor" => self.number(value, 0.0..=1e6, &mut t.noise_factor),
            "steps" => self.size(value, 2..=MAX_STEPS, &mut t.steps),
            "steps_missing" => self.size(value, 0..=MAX_STEPS, &mut t.steps_missing),
            "step_share" => self.number(value, 0.0..=1.0, &mut t.step_share),
            "biggest_step" => self.number(value, 0.0..=10.0, &mut t.biggest_step),
            "plateau" => self.number(value, 0.0..=10.0, &mut t.plateau),
            "suspect" => self.number(value, 0.0..=1.0, &mut t.suspect),
            "count_factor" => self.number(value, 1.0..=1e9, &mut t.count_factor),
            "count_growth" => self.number(value, 0.0..=1e12, &mut t.count_growth),
            "unbounded_factor" => self.number(value, 1.0..=1e9, &mut t.unbounded_factor),
            other => self.unknown(key.span().start, other, KNOWN),
        }
    }

    fn fleet(&mut self, key: &Key<'_>, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &[
            "every",
            "span",
            "min_replicas",
            "min_gap",
            "agree",
            "disagree",
        ];
        match key.get_ref().as_ref() {
            "every" => self.duration(value, &mut c.fleet.every),
            "span" => self.duration(value, &mut c.fleet.span),
            "min_replicas" => self.size(value, 2..=10_000, &mut c.fleet.min_replicas),
            "min_gap" => self.duration(value, &mut c.fleet.min_gap),
            "agree" => self.number(value, 0.5..=1.0, &mut c.fleet.agree),
            "disagree" => self.number(value, 0.0..=1.0, &mut c.fleet.disagree),
            other => self.unknown(key.span().start, other, KNOWN),
        }
    }

    /// `[[threshold]]`: a signature of one condition.
    fn threshold(&mut self, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &["name", "signal", "above", "below", "for", "verdict"];
        let mut signature = Signature::named("");
        let (mut signal, mut shape) = (None, None);
        let at = value.span().start;
        self.section(value, |r, key, value| match key.get_ref().as_ref() {
            "signal" => signal = r.signal(value),
            "above" => shape = r.bound(value).map(Shape::Above),
            "below" => shape = r.bound(value).map(Shape::Below),
            _ => r.common(key, value, &mut signature, KNOWN),
        });
        match (signal, shape) {
            (Some(signal), Some(shape)) => {
                signature.conditions = vec![Condition { signal, shape }];
                self.add(at, signature, c);
            }
            (None, _) => self.error(at, "a threshold names its signal".to_owned()),
            (_, None) => self.error(at, "a threshold has above or below".to_owned()),
        }
    }

    fn signature(&mut self, value: &Value<'_>, c: &mut Config) {
        const KNOWN: &[&str] = &["name", "when", "for", "verdict"];
        let mut signature = Signature::named("");
        let at = value.span().start;
        self.section(value, |r, key, value| match key.get_ref().as_ref() {
            "when" => r.each(value, |r, v| r.condition(v, &mut signature.conditions)),
            _ => r.common(key, value, &mut signature, KNOWN),
        });
        if signature.conditions.is_empty() || signature.conditions.len() > MAX_CONDITIONS {
            self.error(
                at,
                format!("a signature has 1 to {MAX_CONDITIONS} conditions under when"),
            );
        } else {
            self.add(at, signature, c);
        }
    }

    fn add(&mut self, at: usize, signature: Signature, c: &mut Config) {
        if signature.name.is_empty() {
            self.error(at, "a name is missing".to_owned());
        } else if c.signatures.iter().any(|s| s.name == signature.name) {
            self.error(
                at,
                format!("the name {:?} is taken already", signature.name),
            );
        } else if c.signatures.len() >= MAX_SIGNATURES {
            self.error(
                at,
                format!("more than {MAX_SIGNATURES} signatures and thresholds"),
            );
        } else {
            c.signatures.push(signature);
        }
    }

    /// Keys that thresholds and signatures share.
    fn common(&mut self, key: &Key<'_>, value: &Value<'_>, s: &mut Signature, known: &[&str]) {
        match key.get_ref().as_ref() {
            "name" => s.name = self.text_of(value).unwrap_or_default().to_owned(),
            "for" => self.duration(value, &mut s.holds_for),
            "verdict" => match self.text_of(value) {
                Some("suspect") => s.verdict = Verdict::Suspect,
                Some("leak") => s.verdict = Verdict::Leak,
                Some(other) => self.error(
                    value.span().start,
                    format!("verdict is suspect or leak, not {other:?}"),
                ),
                None => {}
            },
            other => self.unknown(key.span().start, other, known),
        }
    }

    fn condition(&mut self, value: &Value<'_>, into: &mut Vec<Condition>) {
        const KNOWN: &[&str] = &["signal", "shape", "above", "below"];
        let at = value.span().start;
        let (mut signal, mut shape) = (None, None);
        self.section(value, |r, key, value| match key.get_ref().as_ref() {
            "signal" => signal = r.signal(value),
            "shape" => match r.text_of(value) {
                Some("rising") => shape = Some(Shape::Rising),
                Some("flat") => shape = Some(Shape::Flat),
                Some(other) => r.error(
                    value.span().start,
                    format!("shape is rising or flat, not {other:?}; or give above or below"),
                ),
                None => {}
            },
            "above" => shape = r.bound(value).map(Shape::Above),
            "below" => shape = r.bound(value).map(Shape::Below),
            other => r.unknown(key.span().start, other, KNOWN),
        });
        match (signal, shape) {
            (Some(signal), Some(shape)) => into.push(Condition { signal, shape }),
            (None, _) => self.error(at, "a condition names its signal".to_owned()),
            (_, None) => self.error(at, "a condition has shape, above or below".to_owned()),
        }
    }

    fn signal(&mut self, value: &Value<'_>) -> Option<String> {
        let name = self.text_of(value)?;
        if is_signal(name) {
            return Some(name.to_owned());
        }
        self.error(
            value.span().start,
            format!("{name:?} is no name of a signal: letters, digits and _"),
        );
        None
    }

    /// A bound: a number, bytes with a unit, or a percentage.
    fn bound(&mut self, value: &Value<'_>) -> Option<f64> {
        if let Some(number) = number_of(value.get_ref()) {
            return Some(number);
        }
        let text = self.text_of(value)?;
        let parsed = percent(text).unwrap_or_else(|| bytes(text));
        parsed
            .map_err(|message| self.error(value.span().start, message))
            .ok()
    }

    fn text_of<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let kind = value.get_ref().type_str();
            self.error(
                value.span().start,
                format!("text in quotes is wanted, not {kind}"),
            );
        }
        text
    }

    fn duration(&mut self, value: &Value<'_>, into: &mut Millis) {
        if let Some(text) = self.text_of(value) {
            match duration(text) {
                Ok(span) => *into = span,
                Err(message) => self.error(value.span().start, message),
            }
        }
    }

    fn quantity(&mut self, value: &Value<'_>, into: &mut f64) {
        match self.bound(value) {
            Some(bound) if bound >= 0.0 && bound.is_finite() => *into = bound,
            Some(_) => self.error(value.span().start, "must not be negative".to_owned()),
            None => {}
        }
    }

    fn number(&mut self, value: &Value<'_>, range: RangeInclusive<f64>, into: &mut f64) {
        match number_of(value.get_ref()) {
            Some(number) if range.contains(&number) => *into = number,
            Some(number) => self.error(
                value.span().start,
                format!("{number} is not from {} to {}", range.start(), range.end()),
            ),
            None => {
                let kind = value.get_ref().type_str();
                self.error(
                    value.span().start,
                    format!("a number is wanted, not {kind}"),
                );
            }
        }
    }

    fn whole(&mut self, value: &Value<'_>, range: RangeInclusive<u32>, into: &mut u32) {
        let range = f64::from(*range.start())..=f64::from(*range.end());
        let mut number = f64::from(*into);
        self.number(value, range, &mut number);
        if number.fract() == 0.0 {
            *into = number as u32;
        } else {
            self.error(value.span().start, "a whole number is wanted".to_owned());
        }
    }

    fn size(&mut self, value: &Value<'_>, range: RangeInclusive<usize>, into: &mut usize) {
        let mut number = *into as u32;
        self.whole(
            value,
            *range.start() as u32..=*range.end() as u32,
            &mut number,
        );
        *into = number as usize;
    }
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

/// A finite number of a TOML integer or float.
fn number_of(value: &DeValue<'_>) -> Option<f64> {
    let number = if let Some(integer) = value.as_integer() {
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()? as f64
    } else {
        value.as_float()?.as_str().parse::<f64>().ok()?
    };
    number.is_finite().then_some(number)
}
