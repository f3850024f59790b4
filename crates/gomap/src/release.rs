//! What differs between Go's releases, as data.

use leakscope_goabi::AllocRules;

use crate::shape::AssignPath;

/// Rules of the bucket maps of one release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicRules {
    /// Bytes of `runtime.hmap`: 48; 56 with `clearSeq` (`noswissmap` builds of 1.24 and 1.25).
    pub header_size: u64,
    /// Twice the entries per bucket at which a map grows: `runtime.loadFactorNum`. 12 in 1.21, where the constant
    /// `(bucketCnt * 13 / 16) * loadFactorDen` divides before it multiplies; 13 since 1.22.
    pub load_factor_num: u64,
    /// How iterators learn that the map was cleared.
    pub clearing: Clearing,
}

/// How iterators of bucket maps learn that the map was cleared (`runtime.mapclear`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clearing {
    /// Every cell of the arrays is marked empty (up to 1.23).
    Marks,
    /// The map counts how often it was cleared (1.24 and 1.25 built with `noswissmap`).
    Counts,
}

/// Rules of the Swiss maps of one release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwissRules {
    /// Keys and elems lie in arrays of their own (`GOEXPERIMENT=mapsplitgroup`, 1.27).
    pub split_groups: bool,
    /// Assigning to a key that is there makes a full map of 8 entries a table (1.24 to 1.26: `runtime_mapassign` grows
    /// before it looks).
    pub overwriting_grows: bool,
    /// Assignments that remove tombstones before they grow a table (`table.pruneTombstones`, 1.25 and later). The function
    /// that serves all other keys, `runtime_mapassign`, never does, in no release up to 1.27.
    pub prunes: &'static [AssignPath],
    /// The map knows whether it may have tombstones (`Map.tombstonePossible`, 1.25 and later): clearing an empty map then
    /// removes them.
    pub knows_tombstones: bool,
    /// Which groups `table.Clear` zeroes.
    pub clear: ClearRule,
}

/// Which groups `table.Clear` zeroes. In the others, keys without pointers stay as they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClearRule {
    /// All of them (1.24).
    All,
    /// Those with an entry; no table that has neither entries nor tombstones (1.25).
    Occupied,
    /// As before where slots are large or entries few, all groups else (1.26 and later).
    ByLoad,
}

/// The rules of one implementation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rules {
    /// Buckets of 8 with overflow chains.
    Classic(ClassicRules),
    /// Groups of 8 with control bytes.
    Swiss(SwissRules),
}

/// How one release, built in one way, implements maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// `1.23`, or with an experiment `1.25-noswissmap`.
    pub name: &'static str,
    /// How its allocator rounds.
    pub alloc: AllocRules,
    /// Its maps.
    pub rules: Rules,
}

const fn classic(
    name: &'static str,
    malloc_header: bool,
    header_size: u64,
    load_factor_num: u64,
    clearing: Clearing,
) -> Release {
    Release {
        name,
        alloc: AllocRules { malloc_header },
        rules: Rules::Classic(ClassicRules {
            header_size,
            load_factor_num,
            clearing,
        }),
    }
}

const fn swiss(name: &'static str, rules: SwissRules) -> Release {
    Release {
        name,
        alloc: AllocRules {
            malloc_header: true,
        },
        rules: Rules::Swiss(rules),
    }
}

const SWISS_1_24: SwissRules = SwissRules {
    split_groups: false,
    overwriting_grows: true,
    prunes: &[],
    knows_tombstones: false,
    clear: ClearRule::All,
};
const SWISS_1_25: SwissRules = SwissRules {
    prunes: &[
        AssignPath::Fast32,
        AssignPath::Fast64,
        AssignPath::FastString,
    ],
    knows_tombstones: true,
    clear: ClearRule::Occupied,
    ..SWISS_1_24
};
const SWISS_1_26: SwissRules = SwissRules {
    clear: ClearRule::ByLoad,
    ..SWISS_1_25
};
const SWISS_1_27: SwissRules = SwissRules {
    overwriting_grows: false,
    prunes: &[
        AssignPath::Fast32,
        AssignPath::Fast64,
        AssignPath::Fast64Pointer,
        AssignPath::FastString,
    ],
    ..SWISS_1_26
};

/// Every release that is modelled, oldest first; those that need an experiment stand after the ordinary ones.
pub const RELEASES: [Release; 10] = [
    classic("1.21", false, 48, 12, Clearing::Marks),
    classic("1.22", true, 48, 13, Clearing::Marks),
    classic("1.23", true, 48, 13, Clearing::Marks),
    swiss("1.24", SWISS_1_24),
    swiss("1.25", SWISS_1_25),
    swiss("1.26", SWISS_1_26),
    swiss("1.27", SWISS_1_27),
    classic("1.24-noswissmap", true, 56, 13, Clearing::Counts),
    classic("1.25-noswissmap", true, 56, 13, Clearing::Counts),
    swiss(
        "1.27-mapsplitgroup",
        SwissRules {
            split_groups: true,
            ..SWISS_1_27
        },
    ),
];

impl Release {
    /// The release of that name; a patch number in it (`1.23.9`) is ignored.
    pub fn named(name: &str) -> Option<&'static Release> {
        let (version, experiment) = match name.split_once('-') {
            Some((version, experiment)) => (version, Some(experiment)),
            None => (name, None),
        };
        let version = version.strip_prefix("go").unwrap_or(version);
        let mut numbers = version.split('.');
        let (major, minor) = (numbers.next()?, numbers.next()?);
        let patch_is_a_number = numbers.next().is_none_or(|p| p.parse::<u32>().is_ok());
        RELEASES.iter().find(|r| {
            let (own, own_experiment) = match r.name.split_once('-') {
                Some((own, experiment)) => (own, Some(experiment)),
                None => (r.name, None),
            };
            own.split_once('.') == Some((major, minor))
                && own_experiment == experiment
                && patch_is_a_number
                && numbers.clone().next().is_none()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_version_and_experiment() {
        for (asked, name) in [
            ("1.23", Some("1.23")),
            ("1.23.9", Some("1.23")),
            ("go1.27.3", Some("1.27")),
            ("1.24.11-noswissmap", Some("1.24-noswissmap")),
            ("1.26-noswissmap", None),
            ("1.20", None),
            ("1", None),
            ("1.23.x", None),
            ("1.23.9.1", None),
        ] {
            assert_eq!(Release::named(asked).map(|r| r.name), name, "{asked}");
        }
    }
}
