//! Which findings are told, which are known already, and which make the exit status 1.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use leakscope_patterns::Pattern;
use leakscope_report::{FindingVerdict, SuspectRow, Text, Verdict};
use serde_json::Value;

use crate::args::SelectionArgs;
use crate::failure::Failure;

/// Most bytes of a baseline or a suppression file: a document of every finding and suspect has a few megabytes.
const MOST_BYTES: u64 = 256 << 20;

/// What `--fail-on` names.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Verdict(FindingVerdict),
    Pattern(&'static Pattern),
}

/// What is asked for, with the files read.
#[derive(Default, Debug)]
pub(crate) struct Selection {
    only: Vec<&'static Pattern>,
    ignore: Vec<&'static Pattern>,
    fail_on: Vec<Condition>,
    /// Fingerprints of an earlier document.
    known: Option<BTreeSet<String>>,
    /// Fingerprints that are left out.
    suppressed: BTreeSet<String>,
}

impl Selection {
    /// Reads what the arguments name.
    pub(crate) fn of(args: &SelectionArgs) -> Result<Self, Failure> {
        let patterns = |ids: &[String]| -> Result<Vec<_>, Failure> {
            ids.iter().map(|id| pattern(id)).collect()
        };
        Ok(Self {
            only: patterns(&args.only)?,
            ignore: patterns(&args.ignore)?,
            fail_on: (args.fail_on.iter().map(|word| condition(word))).collect::<Result<_, _>>()?,
            known: args.baseline.as_deref().map(baseline).transpose()?,
            suppressed: (args.suppress.as_deref().map(suppressions).transpose()?)
                .unwrap_or_default(),
        })
    }

    /// Whether there is a condition for the exit status.
    pub(crate) fn judges(&self) -> bool {
        !self.fail_on.is_empty()
    }

    /// Whether findings of this pattern are looked at.
    pub(crate) fn wants(&self, pattern: &Pattern) -> bool {
        let among = |list: &[&Pattern]| list.iter().any(|p| p.id == pattern.id);
        (self.only.is_empty() || among(&self.only)) && !among(&self.ignore)
    }

    /// Whether what has this fingerprint is left out.
    pub(crate) fn suppresses(&self, fingerprint: Option<&str>) -> bool {
        fingerprint.is_some_and(|print| self.suppressed.contains(print))
    }

    /// Whether what has this fingerprint is not in the baseline; `None` without one. What has no fingerprint is new.
    pub(crate) fn is_new(&self, fingerprint: Option<&str>) -> Option<bool> {
        let known = self.known.as_ref()?;
        Some(!fingerprint.is_some_and(|print| known.contains(print)))
    }

    /// Whether a finding meets a condition.
    pub(crate) fn meets(
        &self,
        pattern: &Pattern,
        verdict: FindingVerdict,
        fingerprint: Option<&str>,
    ) -> bool {
        self.is_new(fingerprint) != Some(false)
            && self.fail_on.iter().any(|condition| match condition {
                Condition::Verdict(asked) => verdict == *asked,
                Condition::Pattern(asked) => pattern.id == asked.id,
            })
    }

    /// Whether a place where memory accumulates, which no finding explains, meets a condition.
    pub(crate) fn meets_place(&self, place: &SuspectRow) -> bool {
        place.new != Some(false)
            && place.verdict == Verdict::Suspect
            && self
                .fail_on
                .iter()
                .any(|condition| matches!(condition, Condition::Verdict(FindingVerdict::Suspect)))
    }
}

fn pattern(id: &str) -> Result<&'static Pattern, Failure> {
    Pattern::named(id).ok_or_else(|| Failure::NoRule { id: id.to_owned() })
}

fn condition(word: &str) -> Result<Condition, Failure> {
    let verdict = match word {
        "leak" => FindingVerdict::Leak,
        "waste" => FindingVerdict::Waste,
        "suspect" => FindingVerdict::Suspect,
        "needs-second-capture" => FindingVerdict::NeedsSecondCapture,
        _ => return pattern(word).map(Condition::Pattern),
    };
    Ok(Condition::Verdict(verdict))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    match read {
        Err(e) => Err(e.to_string()),
        Ok(n) if n as u64 > MOST_BYTES => Err(format!("it has more than {MOST_BYTES} bytes")),
        Ok(_) => Ok(bytes),
    }
}

/// Every fingerprint of an earlier document of `analyze`.
fn baseline(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let refused = |why: String| Failure::Baseline {
        path: path.to_owned(),
        why,
    };
    let bytes = read(path).map_err(refused)?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|e| refused(format!("it is not JSON: {e}")))?;
    if document["document"] != "analyze" {
        return Err(refused("it is no document of leakscope analyze".to_owned()));
    }
    let mut known = BTreeSet::new();
    for (list, count) in [("findings", "finding_count"), ("suspects", "suspect_count")] {
        let rows = (document[list].as_array())
            .ok_or_else(|| refused(format!("it has no list of {list}")))?;
        if document[count].as_u64() != Some(rows.len() as u64) {
            return Err(refused(format!(
                "it has only {} of {} {list}: everything else would be called new",
                rows.len(),
                document[count]
            )));
        }
        for row in rows {
            let inner = row["suspects"].as_array().into_iter().flatten();
            let prints = std::iter::once(row).chain(inner).map(|r| &r["fingerprint"]);
            known.extend(prints.filter_map(|print| print.as_str().map(str::to_owned)));
        }
    }
    Ok(known)
}

/// A fingerprint a line; what follows `#` is a comment.
fn suppressions(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let refused = |why: String| Failure::Suppressions {
        path: path.to_owned(),
        why,
    };
    let bytes = read(path).map_err(refused)?;
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let mut prints = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let print = line.split('#').next().unwrap_or_default().trim();
        if print.is_empty() {
            continue;
        }
        if !is_fingerprint(print) {
            return Err(refused(format!(
                "line {number} is no fingerprint: {}",
                Text::new(print)
            )));
        }
        prints.insert(print.to_owned());
    }
    Ok(prints)
}

/// `v1:` and 16 hexadecimal digits, as `leakscope_graph::Fingerprint` is shown; later versions too.
fn is_fingerprint(text: &str) -> bool {
    let digits = |s: &str, of: fn(&char) -> bool| !s.is_empty() && s.chars().all(|c| of(&c));
    (text.strip_prefix('v').and_then(|rest| rest.split_once(':'))).is_some_and(|(version, hash)| {
        digits(version, char::is_ascii_digit)
            && hash.len() == 16
            && digits(hash, char::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::is_fingerprint;

    #[test]
    fn fingerprints_are_known_by_their_shape() {
        assert!(is_fingerprint("v1:0123456789abcdef"));
        assert!(is_fingerprint("v12:0123456789ABCDEF"));
        for text in [
            "",
            "v1",
            "v1:",
            ":0123456789abcdef",
            "v1:0123456789abcde",
            "vx:0123456789abcdef",
            "v1:0123456789abcdeg",
        ] {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
