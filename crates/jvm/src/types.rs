//! Types as the graph numbers them: classes of the same name and fields are one, whichever loader defined them.

use leakscope_graph::TypeIx;
use rustc_hash::FxHashMap;

use crate::classes::ClassTable;
use crate::kind::{Kind, Parts};
use crate::spelling::primitive_array;

/// What sort of objects a type is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Sort {
    /// Instances of a class like this one.
    Instances(u32),
    /// Arrays of references.
    Objects,
    /// Arrays of a basic type.
    Primitives,
    /// `java.lang.Class` objects of classes like this one, whose static fields are told as theirs.
    Mirror(u32),
    /// Machinery of a collection; made by [`Types::machinery_of`].
    Machinery,
}

/// A type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Type {
    pub(crate) name: String,
    pub(crate) sort: Sort,
}

/// All types of a dump.
#[derive(Default)]
pub(crate) struct Types {
    types: Vec<Type>,
    instances: Vec<TypeIx>,
    objects: Vec<TypeIx>,
    primitives: Vec<TypeIx>,
    mirrors: Vec<TypeIx>,
    unknown: TypeIx,
    unknown_objects: TypeIx,
}

/// Basic types that HPROF numbers end below this.
const PRIMITIVES: u8 = 12;

impl Types {
    /// Types below this one are of objects whose class is not in the dump.
    pub(crate) const UNKNOWN: u32 = 2;

    pub(crate) fn of(classes: &ClassTable) -> Self {
        let mut types = Self::default();
        types.unknown = types.push("unknown class", Sort::Objects);
        types.unknown_objects = types.push("Object[] of unknown class", Sort::Objects);
        for type_ in 0..PRIMITIVES {
            let ix = types.push(primitive_array(type_), Sort::Primitives);
            types.primitives.push(ix);
        }
        let mut instances: FxHashMap<(&str, Vec<u64>), TypeIx> = FxHashMap::default();
        let mut objects: FxHashMap<&str, TypeIx> = FxHashMap::default();
        let mut mirrors: FxHashMap<(&str, Vec<u64>), TypeIx> = FxHashMap::default();
        for (number, class) in classes.iter() {
            let name = if class.name.is_empty() {
                "unknown class"
            } else {
                &class.name
            };
            let array = class.internal.starts_with('[');
            let ix = *objects.entry(name).or_insert_with(|| {
                let name = if array {
                    name.to_owned()
                } else {
                    format!("{name}[]")
                };
                types.push(&name, Sort::Objects)
            });
            types.objects.push(ix);
            let fields = class.slots.iter().map(|(_, name)| *name).collect();
            let ix = *instances
                .entry((name, fields))
                .or_insert_with(|| types.push(name, Sort::Instances(number)));
            types.instances.push(ix);
            let statics = class.raw.iter().flat_map(|raw| &raw.statics);
            let statics = statics.map(|field| field.name).collect();
            let ix = *mirrors
                .entry((name, statics))
                .or_insert_with(|| types.push("java.lang.Class", Sort::Mirror(number)));
            types.mirrors.push(ix);
        }
        types
    }

    fn push(&mut self, name: &str, sort: Sort) -> TypeIx {
        self.types.push(Type {
            name: name.to_owned(),
            sort,
        });
        TypeIx(self.types.len() as u32 - 1)
    }

    /// Another type of the same name, for objects of `type_` that are machinery of a collection.
    pub(crate) fn machinery_of(&mut self, type_: TypeIx) -> TypeIx {
        let name = self.get(type_).map_or(String::new(), |t| t.name.clone());
        self.push(&name, Sort::Machinery)
    }

    #[inline]
    pub(crate) fn of_kind(&self, kind: Kind) -> TypeIx {
        match kind.parts() {
            Parts::Instance(Some(class)) => self.instances[class as usize],
            Parts::Instance(None) => self.unknown,
            Parts::Objects(Some(class)) => self.objects[class as usize],
            Parts::Objects(None) => self.unknown_objects,
            Parts::Primitives(type_) => self.primitives[usize::from(type_ % PRIMITIVES)],
            Parts::Mirror(class) => self.mirrors[class as usize],
        }
    }

    pub(crate) fn get(&self, type_: TypeIx) -> Option<&Type> {
        self.types.get(type_.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TypeIx, &Type)> {
        let types = self.types.iter().enumerate();
        types.map(|(i, t)| (TypeIx(i as u32), t))
    }
}
