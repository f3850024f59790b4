//! Names for what the graph only numbers: types, roots, and references as steps of a Java expression.

use std::borrow::Cow;
use std::fmt::Write;

use leakscope_graph::{ObjIx, Resolver, RootIx, TypeIx};

use crate::classes::ClassTable;
use crate::collections::{head_of, is_machinery};
use crate::columns::slots;
use crate::hprof::tables::Tables;
use crate::roots::{Group, Groups, RootNames, ThreadRoot};
use crate::spelling::{package_of, simple};
use crate::types::{Sort, Types};

/// How a reference out of an object of one type is told.
enum Steps {
    /// As a field of its class: the name of each slot, none of those that lead to a collection's machinery.
    Fields(Vec<Option<String>>),
    /// As an element.
    Elements(String),
    /// As a static field of the class that the object stands for.
    Statics(String, Vec<String>),
    /// Not at all: machinery between a collection and what it holds.
    Inside,
}

struct Row {
    name: String,
    package: String,
    steps: Steps,
    internal: bool,
    /// Whether they are arrays of references.
    objects: bool,
}

/// Names of one heap. Holds everything it answers from.
pub struct Names {
    rows: Vec<Row>,
    roots: RootNames,
}

impl Names {
    pub(crate) fn new(
        types: &Types,
        classes: &ClassTable,
        tables: &Tables,
        roots: RootNames,
    ) -> Self {
        let rows = types.iter().map(|(_, type_)| {
            let steps = steps(type_.sort, &type_.name, classes, tables);
            Row {
                package: package_of(&type_.name).to_owned(),
                internal: matches!(steps, Steps::Inside),
                objects: type_.sort == Sort::Objects,
                steps,
                name: type_.name.clone(),
            }
        });
        Self {
            rows: rows.collect(),
            roots,
        }
    }

    /// Number of types: their ids are below it.
    pub fn types(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Roots joined by who they belong to.
    pub fn groups(&self) -> Groups {
        self.roots.groups()
    }

    /// What a group of roots is called.
    pub fn group_name(&self, group: &Group) -> String {
        self.roots.group_name(group)
    }

    /// What a group of roots is called in every run of the same code.
    pub fn group_key(&self, group: &Group) -> String {
        self.roots.group_key(group)
    }

    /// The thread that a root belongs to, and how; `None` of roots that belong to none.
    pub fn of_thread(&self, root: RootIx) -> Option<(u32, ThreadRoot<'_>)> {
        self.roots.of_thread(root)
    }

    /// Whether objects of a type are arrays of references that a program made itself.
    pub(crate) fn is_object_array(&self, type_: TypeIx) -> bool {
        self.row(type_)
            .is_some_and(|row| row.objects && !row.internal)
    }

    /// Whether a type stands for objects whose class is not in the dump.
    pub(crate) fn is_unknown(&self, type_: TypeIx) -> bool {
        type_.0 < Types::UNKNOWN
    }

    fn row(&self, type_: TypeIx) -> Option<&Row> {
        self.rows.get(type_.index())
    }

    fn push(&self, type_: TypeIx, slot: u32, index: Option<u32>, expression: &mut String) {
        let Some(row) = self.row(type_) else { return };
        let simple = simple(&row.name);
        let special = match slot {
            slots::CLASS => Some("class"),
            slots::SUPER => Some("superclass"),
            slots::LOADER => Some("classLoader"),
            slots::SIGNERS => Some("signers"),
            slots::DOMAIN => Some("protectionDomain"),
            _ => None,
        };
        match (&row.steps, special) {
            (Steps::Inside, _) => {}
            (Steps::Elements(_), None) if index.is_none() => {
                let _ = write!(expression, " -> {simple}[...]");
            }
            (Steps::Elements(element), None) => {
                let _ = write!(expression, " -> {element}[{slot}]");
            }
            (Steps::Fields(fields), None) => {
                let _ = match fields.get(slot as usize) {
                    Some(Some(field)) => write!(expression, " -> {simple}.{field}"),
                    Some(None) => write!(expression, " -> {simple}[...]"),
                    None => Ok(()),
                };
            }
            (Steps::Statics(class, fields), None) => {
                // The way to a class says nothing that its name does not.
                let field = fields.get(slot as usize).map_or("?", String::as_str);
                expression.clear();
                let _ = write!(expression, "static {class}.{field}");
            }
            (Steps::Statics(class, _), Some(special)) => {
                let _ = write!(expression, " -> class {class}.{special}");
            }
            (_, Some(special)) => {
                let _ = write!(expression, " -> {simple}.{special}");
            }
        }
    }
}

impl Resolver for Names {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        self.row(type_).map_or("", |r| &r.name).into()
    }

    fn package(&self, type_: TypeIx) -> Cow<'_, str> {
        self.row(type_).map_or("", |r| &r.package).into()
    }

    fn root_name(&self, root: RootIx) -> Cow<'_, str> {
        self.roots.name(root).into()
    }

    fn push_step(&self, _holder: ObjIx, type_: TypeIx, slot: u32, expression: &mut String) {
        self.push(type_, slot, Some(slot), expression);
    }

    fn is_internal(&self, type_: TypeIx) -> bool {
        self.row(type_).is_some_and(|r| r.internal)
    }

    fn field(&self, type_: TypeIx, slot: u32) -> u32 {
        match self.row(type_).map(|r| &r.steps) {
            Some(Steps::Elements(_) | Steps::Inside) if slot < slots::DOMAIN => 0,
            _ => slot,
        }
    }

    fn push_field(&self, type_: TypeIx, slot: u32, text: &mut String) {
        self.push(type_, slot, None, text);
    }

    fn root_key(&self, root: RootIx) -> Cow<'_, str> {
        self.roots.key(root).into()
    }
}

fn steps(sort: Sort, name: &str, classes: &ClassTable, tables: &Tables) -> Steps {
    match sort {
        Sort::Machinery => Steps::Inside,
        Sort::Primitives => Steps::Elements(name.to_owned()),
        Sort::Objects => {
            let element = name.strip_suffix("[]").unwrap_or(name);
            match is_machinery(&element.replace('.', "/")) {
                true => Steps::Inside,
                false => Steps::Elements(simple(element).to_owned()),
            }
        }
        Sort::Mirror(number) => {
            let class = classes.get(number);
            let statics = class.raw.iter().flat_map(|raw| &raw.statics);
            let statics = statics.map(|field| tables.text(field.name)).collect();
            Steps::Statics(class.name.clone(), statics)
        }
        Sort::Instances(number) => {
            let class = classes.get(number);
            if is_machinery(&class.internal) {
                return Steps::Inside;
            }
            let head = head_of(classes, number);
            let slots = class.slots.iter().map(|(_, field)| {
                let field = tables.text(*field);
                let inside = head.is_some_and(|h| h.inside.contains(&field.as_str()));
                (!inside).then_some(field)
            });
            Steps::Fields(slots.collect())
        }
    }
}
