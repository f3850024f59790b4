//! Fields that the JVM adds to classes of its own, and that no dump lists.

use crate::classes::{Class, ClassTable};
use crate::hprof::bytes::OBJECT;

/// A word of the machine (`intptr_signature`); 4 bytes wide where identifiers are.
const WORD: u8 = 11;
const BOOLEAN: u8 = 4;
const SHORT: u8 = 9;
const LONG: u8 = 11;

const INT: u8 = 10;

/// In which releases something is added, by what their dumps show.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// This class is there too.
    With(&'static str),
    /// This class is not there.
    Without(&'static str),
    /// The class declares no field itself.
    Bare,
    /// It does.
    Declaring,
}

/// JDK 19 and later.
const VIRTUAL_THREADS: When = When::With("java/lang/BaseVirtualThread");
/// JDK 9 and later.
const MODULES: When = When::With("java/lang/Module");
const CALL_SITE_CONTEXT: &str = "java/lang/invoke/MethodHandleNatives$CallSiteContext";

/// `*_INJECTED_FIELDS` of `javaClasses.hpp`, JDK 17 and 25: class, releases, types. Those of `java.lang.Class` aside,
/// whose objects differ in size. A `StackChunk` is as large as the stack in it besides, which a dump does not tell.
const INJECTED: &[(&str, When, &[u8])] = &[
    ("java/lang/ClassLoader", When::Always, &[WORD]),
    ("java/lang/InternalError", MODULES, &[BOOLEAN]),
    ("java/lang/Module", When::Always, &[WORD]),
    ("java/lang/StackFrameInfo", When::Always, &[SHORT]),
    (
        "java/lang/Thread",
        VIRTUAL_THREADS,
        &[WORD, INT, SHORT, BOOLEAN],
    ),
    (
        "java/lang/invoke/CallSite",
        When::Without(CALL_SITE_CONTEXT),
        &[WORD, LONG],
    ),
    ("java/lang/invoke/MemberName", When::Always, &[WORD]),
    (CALL_SITE_CONTEXT, When::Always, &[WORD, LONG]),
    (
        "java/lang/invoke/ResolvedMethodName",
        When::Bare,
        &[OBJECT, WORD],
    ),
    (
        "java/lang/invoke/ResolvedMethodName",
        When::Declaring,
        &[WORD],
    ),
];

/// Types of the fields that the JVM adds to a class.
pub(super) fn injected(classes: &ClassTable, class: &Class) -> &'static [u8] {
    let declares = || class.raw.as_ref().is_some_and(|raw| !raw.fields.is_empty());
    let there = |class| classes.named(class).is_some();
    let found = INJECTED.iter().find(|(name, when, _)| {
        *name == class.internal
            && match when {
                When::Always => true,
                When::With(other) => there(other),
                When::Without(other) => !there(other),
                When::Bare => !declares(),
                When::Declaring => declares(),
            }
    });
    found.map_or(&[], |(_, _, fields)| fields)
}
