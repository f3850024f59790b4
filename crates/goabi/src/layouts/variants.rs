//! Which table holds for which build.

/// One build of the runtime with layouts of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant {
    /// Minor release number: 27 of `go1.27`.
    pub minor: u32,
    /// Experiments that differ from the release's defaults, as `GOEXPERIMENT` spells them, sorted.
    pub experiments: &'static [&'static str],
    /// The release that the table was made from.
    pub made_from: &'static str,
    /// Name of the table's file. Builds with the same layouts share one.
    pub file: &'static str,
    /// The table.
    pub table: &'static str,
}

/// How well a table fits a build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fit {
    /// Made from this release with these experiments.
    Exact,
    /// The build has experiments that no table was made with; whether they change layouts is not known.
    UnknownExperiments(Vec<String>),
    /// The release is newer than all tables: the newest one is taken.
    NewerRelease,
}

/// Experiments that change no layout that is read, checked by `cargo xtask layouts` or plain from their purpose
/// (language, library, code generation).
const NO_LAYOUT: &[&str] = &[
    "aliastypeparams",
    "boringcrypto",
    "cacheprog",
    "coverageredesign",
    "dwarf5",
    "goroutineleakprofile",
    "jsonv2",
    "loopvar",
    "newinliner",
    "nodwarf5",
    "norandomizedheapbase64",
    "noregabiwrappers",
    "randomizedheapbase64",
    "rangefunc",
    "regabiargs",
    "regabiwrappers",
    "simd",
    "synctest",
];

macro_rules! variants {
    ($($minor:literal [$($experiment:literal),*] $made_from:literal $file:literal;)*) => {
        /// Every build that tables were made from, oldest first. The same list drives `cargo xtask layouts`.
        pub const VARIANTS: &[Variant] = &[
            $(Variant {
                minor: $minor,
                experiments: &[$($experiment),*],
                made_from: $made_from,
                file: $file,
                table: include_str!($file),
            },)*
        ];
    };
}

variants! {
    21 [] "1.21.13" "go1.21.txt";
    22 [] "1.22.10" "go1.22.txt";
    22 ["noallocheaders"] "1.22.10" "go1.22-noallocheaders.txt";
    23 [] "1.23.9" "go1.23.txt";
    24 [] "1.24.11" "go1.24.txt";
    24 ["nospinbitmutex"] "1.24.11" "go1.24-nospinbitmutex.txt";
    24 ["nosynchashtriemap"] "1.24.11" "go1.24-nosynchashtriemap.txt";
    24 ["noswissmap", "nosynchashtriemap"] "1.24.11" "go1.24-noswissmap-nosynchashtriemap.txt";
    24 ["noswissmap"] "1.24.11" "go1.24-noswissmap.txt";
    25 [] "1.25.5" "go1.25.txt";
    25 ["greenteagc"] "1.25.5" "go1.25-greenteagc.txt";
    25 ["noswissmap"] "1.25.5" "go1.25-noswissmap.txt";
    25 ["greenteagc", "noswissmap"] "1.25.5" "go1.25-greenteagc-noswissmap.txt";
    26 [] "1.26.6" "go1.26.txt";
    26 ["nogreenteagc"] "1.26.6" "go1.26-nogreenteagc.txt";
    27 [] "1.27.3" "go1.27.txt";
    27 ["nogreenteagc"] "1.27.3" "go1.27-nogreenteagc.txt";
    27 ["mapsplitgroup"] "1.27.3" "go1.27.txt";
}

/// The table for a build of minor release `minor` with these experiments (those that differ from the release's
/// defaults), and how well it fits; `None` where the release is older than all tables.
pub fn choose(minor: u32, experiments: &[&str]) -> Option<(&'static Variant, Fit)> {
    let newest = VARIANTS.last()?.minor;
    let taken = minor.min(newest);
    let known = |v: &&Variant| v.minor == taken;
    // Of the tables whose experiments the build all has, the one with the most; the first is the plain one.
    let best = VARIANTS
        .iter()
        .filter(known)
        .filter(|v| v.experiments.iter().all(|e| experiments.contains(e)))
        .reduce(|best, v| {
            if v.experiments.len() > best.experiments.len() {
                v
            } else {
                best
            }
        })?;
    let plain = VARIANTS.iter().find(known)?;
    // An experiment whose own table is the plain one changes nothing.
    let accounted = |e: &str| {
        let alone = |v: &Variant| v.experiments == [e] && v.file == plain.file;
        NO_LAYOUT.contains(&e) || VARIANTS.iter().filter(known).any(alone)
    };
    let unknown: Vec<String> = experiments
        .iter()
        .filter(|e| !best.experiments.contains(e) && !accounted(e))
        .map(|e| (*e).to_owned())
        .collect();
    let fit = match (minor > newest, unknown.is_empty()) {
        (true, _) => Fit::NewerRelease,
        (false, false) => Fit::UnknownExperiments(unknown),
        (false, true) => Fit::Exact,
    };
    Some((best, fit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(minor: u32, experiments: &[&str]) -> (&'static str, Fit) {
        choose(minor, experiments)
            .map(|(v, fit)| (v.file, fit))
            .unwrap()
    }

    #[test]
    fn a_build_gets_the_table_of_its_release_and_experiments() {
        assert_eq!(file(23, &[]), ("go1.23.txt", Fit::Exact));
        assert_eq!(file(23, &["rangefunc"]), ("go1.23.txt", Fit::Exact));
        let both = ["noswissmap", "greenteagc"];
        assert_eq!(
            file(25, &both),
            ("go1.25-greenteagc-noswissmap.txt", Fit::Exact)
        );
        assert_eq!(file(27, &["mapsplitgroup"]), ("go1.27.txt", Fit::Exact));
    }

    #[test]
    fn what_no_table_was_made_from_is_said() {
        assert_eq!(choose(20, &[]), None);
        assert_eq!(file(28, &[]).1, Fit::NewerRelease);
        let arenas = Fit::UnknownExperiments(vec!["arenas".to_owned()]);
        assert_eq!(file(26, &["arenas"]), ("go1.26.txt", arenas));
    }
}
