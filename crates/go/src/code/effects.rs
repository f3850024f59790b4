//! What calls do to registers, by the name of the function called.

use rustc_hash::FxHashMap;

use crate::pclntab::Functions;
use crate::syncmap::SHAPE;
use crate::typing::ANY_POINTER;

/// What a call of a function means. Registers are those of `cmd/compile/abi-internal.md`: arguments in AX, BX, CX, DI,
/// SI, the first result in AX.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// `newobject(typ)`.
    New,
    /// `mallocgc(size, typ, needzero)`.
    Malloc,
    /// `makeslice(elem, ...)`.
    MakeSlice,
    /// `growslice(old, newLen, oldCap, num, elem)`.
    Grow,
    /// `makemap(typ, ...)`.
    MakeMap,
    /// `makemap_small()`.
    MakeSmallMap,
    /// `mapaccess1(typ, map, ...)` and all its siblings.
    MapUse,
    /// `makechan(typ, ...)`.
    MakeChan,
    /// `typedmemmove(typ, to, ...)` and siblings: the type of what BX points to.
    Typed,
    /// Leaves all registers but R11 as they are.
    Barrier,
    /// Changes only DI, SI and vector registers.
    Duff,
    /// Does not return.
    Ends,
    /// A method of a pointer: AX holds the receiver.
    Method,
}

const BY_NAME: &[(&str, Effect)] = &[
    ("runtime.newobject", Effect::New),
    ("runtime.growslice", Effect::Grow),
    ("runtime.makemap_small", Effect::MakeSmallMap),
    ("runtime.typedmemmove", Effect::Typed),
    ("runtime.typedmemclr", Effect::Typed),
    ("runtime.convT", Effect::Typed),
    ("runtime.convTnoptr", Effect::Typed),
    ("runtime.throw", Effect::Ends),
    ("runtime.fatal", Effect::Ends),
    ("runtime.gopanic", Effect::Ends),
    ("runtime.unreachableMethod", Effect::Ends),
];

const BY_START: &[(&str, Effect)] = &[
    ("runtime.mallocgc", Effect::Malloc),
    ("runtime.makeslice", Effect::MakeSlice),
    ("runtime.makemap", Effect::MakeMap),
    ("runtime.mapaccess", Effect::MapUse),
    ("runtime.mapassign", Effect::MapUse),
    ("runtime.mapdelete", Effect::MapUse),
    ("runtime.mapclear", Effect::MapUse),
    ("runtime.mapiterinit", Effect::MapUse),
    ("runtime.mapIterStart", Effect::MapUse),
    ("runtime.makechan", Effect::MakeChan),
    ("runtime.gcWriteBarrier", Effect::Barrier),
    ("runtime.duff", Effect::Duff),
    ("runtime.panic", Effect::Ends),
    ("runtime.goPanic", Effect::Ends),
];

fn by_name(name: &str) -> Option<Effect> {
    let exact = BY_NAME.iter().find(|(n, _)| *n == name);
    let start = || BY_START.iter().find(|(n, _)| name.starts_with(n));
    match exact.or_else(start) {
        Some((_, effect)) => Some(*effect),
        None => receiver(name).map(|_| Effect::Method),
    }
}

/// The full name of the type whose pointer method has this name: `main.server` of `main.(*server).handle`. Generic types
/// whose code several share (`cmd/compile/internal/noder/reader.go`, `shapify`) have the name of the one that is spelled
/// like the shape. None for closures inside methods, types that stand for any pointer, and everything else.
pub(crate) fn receiver(name: &str) -> Option<String> {
    let (package, rest) = name.split_once(".(*")?;
    let plain = |s: &str| !s.is_empty() && !s.contains(['.', '-', '[', '(']);
    let (type_, arguments, method) = match rest.find(['[', ')']).map(|i| rest.split_at(i))? {
        (type_, rest) if rest.starts_with('[') => {
            let (arguments, method) = rest.rsplit_once("]).")?;
            (type_, Some(arguments.get(1..)?), method)
        }
        (type_, rest) => (type_, None, rest.strip_prefix(").")?),
    };
    if !plain(type_) || !plain(method) {
        return None;
    }
    match arguments {
        None => Some(format!("{package}.{type_}")),
        Some(shaped) if shaped.starts_with(SHAPE) && !shaped.contains(ANY_POINTER) => {
            Some(format!("{package}.{type_}[{}]", shaped.replace(SHAPE, "")))
        }
        Some(_) => None,
    }
}

/// Effects by the entry of the function, as linked.
pub(super) fn effects(functions: &Functions, bias: u64) -> FxHashMap<u64, Effect> {
    let mut effects = FxHashMap::default();
    for function in functions.iter() {
        if let Some(effect) = by_name(function.name()) {
            effects.insert(function.entry().0.wrapping_sub(bias), effect);
        }
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_told_from_functions_inside_methods() {
        let name = |n| receiver(n).unwrap_or_default();
        assert_eq!(name("main.(*server).handle"), "main.server");
        assert_eq!(name("net/http.(*Server).Serve"), "net/http.Server");
        assert_eq!(name("main.(*server).handle.func1"), "");
        assert_eq!(name("main.(*server).handle-fm"), "");
        assert_eq!(name("main.(*tree[...]).add"), "");
        assert_eq!(name("main.(*tree[go.shape.*uint8]).add"), "");
        assert_eq!(name("main.(*tree[go.shape.int]).add.func1"), "");
        assert_eq!(
            name("internal/sync.(*HashTrieMap[go.shape.string,go.shape.interface {}]).Swap"),
            "internal/sync.HashTrieMap[string,interface {}]"
        );
        assert_eq!(name("main.handle"), "");
    }
}
