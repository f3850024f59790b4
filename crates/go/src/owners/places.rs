//! Names of places among the package variables.

use std::borrow::Cow;
use std::fmt::Write;

use leakscope_target::Addr;

use crate::moduledata::Module;
use crate::program::Program;
use crate::resolver::package_of;
use crate::types::TypeTable;
use crate::typing::Static;

/// Starts the name of a variable that is called by its position.
const AT_POSITION: &str = "(global at ";
/// Starts it where the position must not matter.
const ANYWHERE: &str = "(global";
/// Comes before the functions that use it.
const USED_BY: &str = ", used by ";
/// Comes between them. No function's name has it: lists of type arguments are `[...]` in the function table.
const AND: &str = ", ";
/// Values without a name that are called by values without a name, and so on: lists laid out by the linker.
const MAX_HOLDERS: u32 = 8;
/// Values without a name that start inside one another and are looked through for the largest.
const MAX_NESTED: usize = 8;

/// Names of places among the package variables.
pub(super) struct Places<'a> {
    pub(super) program: &'a Program,
    pub(super) types: &'a TypeTable,
    pub(super) statics: &'a [Static],
}

impl Places<'_> {
    /// The word at `at`, and whether it belongs to the program's own module: of values without a name by the word that
    /// points to them, or else by their position.
    pub(super) fn name(&self, at: Addr) -> Option<(String, bool)> {
        self.spell(at, MAX_HOLDERS).or_else(|| self.by_position(at))
    }

    /// The word at `at`, and whether it belongs to the program's own module. Values without a name are called by the
    /// word that points to them.
    fn spell(&self, at: Addr, holders: u32) -> Option<(String, bool)> {
        if let Some((global, offset)) = self.program.global_at(at) {
            let type_ = self.types.from_dwarf(global.type_)?;
            let name = global.name.to_owned() + &self.types.path(type_, offset);
            return Some((name, is_own(self.program, global.name)));
        }
        let end = self.statics.partition_point(|s| s.at <= at);
        let mut before = self.statics.get(..end)?.iter().rev().take(MAX_NESTED);
        let found = before.rfind(|s| at.0 - s.at.0 < s.len)?;
        let (mut name, own) = match holders.checked_sub(1) {
            Some(left) if !found.holder.is_nil() => self.spell(found.holder, left)?,
            _ => match self.by_position(found.at) {
                Some(named) => named,
                None => (format!("static {}", self.types.name(found.type_)), false),
            },
        };
        let mut offset = at.0 - found.at.0;
        if let Some(stride) = found.stride.filter(|s| *s > 0) {
            // Writing to a string cannot fail.
            let _ = write!(name, "[{}]", offset / stride);
            offset %= stride;
        }
        name.push_str(&self.types.path(found.type_, offset));
        Some((name, own))
    }

    /// A variable of a program without debug information, by its position and a few functions that use it, and whether the
    /// first of these belongs to the program's own module.
    fn by_position(&self, at: Addr) -> Option<(String, bool)> {
        let code = self.program.code()?;
        let place = |m: &Module| {
            let sections = [("data", m.data), ("bss", m.bss)];
            let (name, range) = sections.into_iter().find(|(_, r)| r.contains(at))?;
            Some(format!("{AT_POSITION}{name}+{:#x}", at.0 - range.start.0))
        };
        let position = self.program.modules().iter().find_map(place)?;
        let functions = self.program.functions();
        let users = code.users(at).filter_map(|user| functions.find(user));
        let users: Vec<&str> = users.map(|f| f.name()).collect();
        Some(match users.first() {
            Some(first) => {
                let named = format!("{position}{USED_BY}{})", users.join(AND));
                (named, is_own(self.program, first))
            }
            None => (format!("{position})"), false),
        })
    }
}

/// A name without the position that may be part of it, and with one function only: any change of a program moves its
/// variables, while the function that says most of one keeps its name.
pub(crate) fn without_position(name: &str) -> Cow<'_, str> {
    let Some((before, position)) = name.split_once(AT_POSITION) else {
        return name.into();
    };
    let mut open = 1;
    let end = position.find(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open == 0
    });
    let (within, after) = position.split_at(end.unwrap_or(position.len()));
    let used_by = within
        .split_once(USED_BY)
        .map_or(String::new(), |(_, users)| {
            let first = users.split(AND).next();
            format!("{USED_BY}{}", first.unwrap_or_default())
        });
    format!("{before}{ANYWHERE}{used_by}{after}").into()
}

/// Whether a package variable belongs to the program's own module: the main package, or one below its module path.
pub(super) fn is_own(program: &Program, name: &str) -> bool {
    let package = package_of(name);
    let module = program.exe().build_info().module.as_str();
    package == "main"
        || (!module.is_empty()
            && package
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_last_hold_no_position() {
        let name = "(global at bss+0x1c98, used by main.(*server).handle).sessions[...]";
        let lasting = "(global, used by main.(*server).handle).sessions[...]";
        assert_eq!(without_position(name), lasting);
        let name = "*(global at bss+0x1c98, used by main.(*server).handle, main.F[...], main.main).sessions[...]";
        assert_eq!(without_position(name), format!("*{lasting}"));
        assert_eq!(without_position("(global at data+0x8)[3]"), "(global)[3]");
        assert_eq!(without_position("main.cache"), "main.cache");
    }
}
