//! The collections of `java.util` and their machinery, JDK 8 to 25: facts of their source files.

/// How a collection keeps its entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// In a table of buckets, each entry in a node.
    Hashed,
    /// In a table itself, key and value side by side.
    OpenHashed,
    /// In an array, from its start.
    Array,
    /// In an array, as a ring.
    Ring,
    /// In nodes that lead to each other.
    Linked,
    /// As another collection.
    Wrapped,
}

/// A class whose instances are collections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// As class files spell it.
    pub(crate) class: &'static str,
    pub(crate) way: Way,
    /// The field that leads to the table, array or collection inside.
    pub(crate) store: &'static str,
    /// All fields that lead to machinery.
    pub(crate) inside: &'static [&'static str],
    /// The class of a node.
    pub(crate) node: Option<&'static str>,
}

const fn head(
    class: &'static str,
    way: Way,
    store: &'static str,
    inside: &'static [&'static str],
    node: Option<&'static str>,
) -> Head {
    Head {
        class,
        way,
        store,
        inside,
        node,
    }
}

/// The nearest ancestor in this list says what a class is: subclasses come before their ancestors.
pub(crate) const HEADS: &[Head] = &[
    head(
        "java/util/LinkedHashMap",
        Way::Hashed,
        "table",
        &["table", "head", "tail"],
        Some("java/util/LinkedHashMap$Entry"),
    ),
    head(
        "java/util/HashMap",
        Way::Hashed,
        "table",
        &["table"],
        Some("java/util/HashMap$Node"),
    ),
    head(
        "java/util/concurrent/ConcurrentHashMap",
        Way::Hashed,
        "table",
        &["table", "nextTable", "counterCells"],
        Some("java/util/concurrent/ConcurrentHashMap$Node"),
    ),
    head(
        "java/util/Hashtable",
        Way::Hashed,
        "table",
        &["table"],
        Some("java/util/Hashtable$Entry"),
    ),
    head(
        "java/util/WeakHashMap",
        Way::Hashed,
        "table",
        &["table"],
        Some("java/util/WeakHashMap$Entry"),
    ),
    head(
        "java/util/IdentityHashMap",
        Way::OpenHashed,
        "table",
        &["table"],
        None,
    ),
    head(
        "java/util/EnumMap",
        Way::Array,
        "vals",
        &["vals", "keyUniverse"],
        None,
    ),
    head(
        "java/util/TreeMap",
        Way::Linked,
        "root",
        &["root"],
        Some("java/util/TreeMap$Entry"),
    ),
    head(
        "java/util/LinkedList",
        Way::Linked,
        "first",
        &["first", "last"],
        Some("java/util/LinkedList$Node"),
    ),
    head(
        "java/util/ArrayList",
        Way::Array,
        "elementData",
        &["elementData"],
        None,
    ),
    head(
        "java/util/Vector",
        Way::Array,
        "elementData",
        &["elementData"],
        None,
    ),
    head(
        "java/util/ArrayDeque",
        Way::Ring,
        "elements",
        &["elements"],
        None,
    ),
    head(
        "java/util/PriorityQueue",
        Way::Array,
        "queue",
        &["queue"],
        None,
    ),
    head(
        "java/util/concurrent/CopyOnWriteArrayList",
        Way::Array,
        "array",
        &["array"],
        None,
    ),
    head(
        "java/util/concurrent/PriorityBlockingQueue",
        Way::Array,
        "queue",
        &["queue"],
        None,
    ),
    head(
        "java/util/concurrent/ArrayBlockingQueue",
        Way::Array,
        "items",
        &["items"],
        None,
    ),
    head(
        "java/util/concurrent/LinkedBlockingQueue",
        Way::Linked,
        "head",
        &["head", "last"],
        Some("java/util/concurrent/LinkedBlockingQueue$Node"),
    ),
    head(
        "java/util/concurrent/LinkedBlockingDeque",
        Way::Linked,
        "first",
        &["first", "last"],
        Some("java/util/concurrent/LinkedBlockingDeque$Node"),
    ),
    head(
        "java/util/concurrent/ConcurrentLinkedQueue",
        Way::Linked,
        "head",
        &["head", "tail"],
        Some("java/util/concurrent/ConcurrentLinkedQueue$Node"),
    ),
    head(
        "java/util/concurrent/ConcurrentLinkedDeque",
        Way::Linked,
        "head",
        &["head", "tail"],
        Some("java/util/concurrent/ConcurrentLinkedDeque$Node"),
    ),
    head(
        "java/util/concurrent/ConcurrentSkipListMap",
        Way::Linked,
        "head",
        &["head"],
        Some("java/util/concurrent/ConcurrentSkipListMap$Node"),
    ),
    head("java/util/HashSet", Way::Wrapped, "map", &["map"], None),
    head("java/util/TreeSet", Way::Wrapped, "m", &["m"], None),
    head(
        "java/util/concurrent/ConcurrentHashMap$KeySetView",
        Way::Wrapped,
        "map",
        &["map"],
        None,
    ),
    head(
        "java/util/concurrent/CopyOnWriteArraySet",
        Way::Wrapped,
        "al",
        &["al"],
        None,
    ),
    head(
        "java/util/concurrent/ConcurrentSkipListSet",
        Way::Wrapped,
        "m",
        &["m"],
        None,
    ),
];

/// Classes between the head of a collection and its entries, arrays of them included.
pub(crate) const MACHINERY: &[&str] = &[
    "java/util/HashMap$Node",
    "java/util/HashMap$TreeNode",
    "java/util/HashMap$Entry",
    "java/util/LinkedHashMap$Entry",
    "java/util/Hashtable$Entry",
    "java/util/WeakHashMap$Entry",
    "java/util/TreeMap$Entry",
    "java/util/LinkedList$Node",
    "java/util/concurrent/ConcurrentHashMap$Node",
    "java/util/concurrent/ConcurrentHashMap$TreeBin",
    "java/util/concurrent/ConcurrentHashMap$TreeNode",
    "java/util/concurrent/ConcurrentHashMap$ForwardingNode",
    "java/util/concurrent/ConcurrentHashMap$ReservationNode",
    "java/util/concurrent/ConcurrentHashMap$CounterCell",
    "java/util/concurrent/LinkedBlockingQueue$Node",
    "java/util/concurrent/LinkedBlockingDeque$Node",
    "java/util/concurrent/ConcurrentLinkedQueue$Node",
    "java/util/concurrent/ConcurrentLinkedDeque$Node",
    "java/util/concurrent/ConcurrentSkipListMap$Node",
    "java/util/concurrent/ConcurrentSkipListMap$Index",
    "java/util/concurrent/ConcurrentSkipListMap$HeadIndex",
];

/// Whether a class, or the elements of a class of arrays, are machinery.
pub(crate) fn is_machinery(internal: &str) -> bool {
    let element = internal.trim_start_matches('[');
    let element = match element.len() < internal.len() {
        true => element
            .strip_prefix('L')
            .and_then(|e| e.strip_suffix(';'))
            .unwrap_or(element),
        false => element,
    };
    MACHINERY.contains(&element)
}
