//! What bounds a collection or cache, as far as its class and its own fields tell.

use leakscope_graph::Columns;

use crate::classes::{ClassTable, Field};
use crate::columns::{Aside, objects_of};

/// Why something does not grow for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bound {
    /// Made once: there is no way to add to it.
    Immutable,
    /// At most so many entries, as it says itself.
    Limit(u64),
    /// As many entries as its array has places, which is made once.
    OwnArray,
    /// A map of a class of its own that keeps the order of use, as those do that drop what was used least recently.
    DropsEldest,
    /// A map of a class of its own that may drop its eldest entry: code decides, which a dump does not have.
    MayDropEldest,
    /// A cache of a library that drops entries by number, weight or age.
    Evicts,
}

/// How to know the bound of instances of a class.
#[derive(Clone, Copy)]
enum Rule {
    /// By the class alone.
    Is(Bound),
    /// By a field ([`Field::Limit`]), unless it has the value that stands for no limit.
    States { none: u64 },
    /// Subclasses may override `removeEldestEntry`; none that does not has a bound.
    Eldest,
}

/// The nearest ancestor in this list says what bounds a class. Those of `java.util`: JDK 8 to 25. Of libraries, from their
/// sources: Guava 33, Caffeine 3, Commons Collections 4.4, Spring 6.
const RULES: &[(&str, Rule)] = &[
    (
        "java/util/ImmutableCollections$AbstractImmutableCollection",
        Rule::Is(Bound::Immutable),
    ),
    (
        "java/util/ImmutableCollections$AbstractImmutableMap",
        Rule::Is(Bound::Immutable),
    ),
    ("java/util/Arrays$ArrayList", Rule::Is(Bound::Immutable)),
    (
        "java/util/concurrent/ArrayBlockingQueue",
        Rule::Is(Bound::OwnArray),
    ),
    (
        "java/util/concurrent/LinkedBlockingQueue",
        Rule::States { none: NO_CAPACITY },
    ),
    (
        "java/util/concurrent/LinkedBlockingDeque",
        Rule::States { none: NO_CAPACITY },
    ),
    ("java/util/LinkedHashMap", Rule::Eldest),
    (
        "com/google/common/cache/LocalCache",
        Rule::States { none: UNSET },
    ),
    (
        "com/google/common/collect/EvictingQueue",
        Rule::States { none: UNSET },
    ),
    (
        "com/google/common/collect/ImmutableCollection",
        Rule::Is(Bound::Immutable),
    ),
    (
        "com/google/common/collect/ImmutableMap",
        Rule::Is(Bound::Immutable),
    ),
    (
        "com/github/benmanes/caffeine/cache/BoundedLocalCache",
        Rule::Is(Bound::Evicts),
    ),
    (
        "org/apache/commons/collections4/map/LRUMap",
        Rule::States { none: UNSET },
    ),
    (
        "org/springframework/util/ConcurrentLruCache",
        Rule::Is(Bound::Evicts),
    ),
];

/// `Integer.MAX_VALUE`, as the queues of `java.util.concurrent` have it that were made without a capacity.
const NO_CAPACITY: u64 = 0x7fff_ffff;
/// `CacheBuilder.UNSET_INT`, -1 as a `long`.
const UNSET: u64 = u64::MAX;
/// The class that does not drop anything by itself.
const PLAIN: &str = "java/util/LinkedHashMap";

/// Every object that has a bound, by id. `class_of` says for each type which class its objects are instances of.
pub(crate) fn bounds(
    classes: &ClassTable,
    aside: &Aside,
    columns: &Columns,
    class_of: &[Option<u32>],
) -> Vec<(u32, Bound)> {
    let rule = |class: &Option<u32>| {
        let class = (*class)?;
        let mut ancestors = classes.ancestors(class);
        let rule = ancestors.find_map(|n| {
            let internal = classes.get(n).internal.as_str();
            RULES.iter().find(|(name, _)| *name == internal)
        });
        let (_, rule) = rule?;
        let plain = matches!(rule, Rule::Eldest) && classes.get(class).internal == PLAIN;
        (!plain).then_some(*rule)
    };
    let rules: Vec<Option<Rule>> = class_of.iter().map(rule).collect();
    let wanted: Vec<bool> = rules.iter().map(Option::is_some).collect();
    let objects = objects_of(columns, &wanted).into_iter();
    let found = objects.filter_map(|object| {
        let rule = rules[columns.types[object as usize].index()]?;
        let bound = match rule {
            Rule::Is(bound) => bound,
            Rule::States { none } => {
                let limit = aside.value(object, Field::Limit)?;
                (limit != none).then_some(Bound::Limit(limit))?
            }
            Rule::Eldest => match aside.value(object, Field::AccessOrder) {
                Some(1) => Bound::DropsEldest,
                _ => Bound::MayDropEldest,
            },
        };
        Some((object, bound))
    });
    found.collect()
}
