//! Where the parts of a sound map lie.

use anyhow::{Context, Result};
use leakscope_go::heap::GoHeap;
use leakscope_go::maps::{Generation, MapInfo, Structure};
use leakscope_target::{Addr, Memory};
use leakscope_testkit::Random;

use super::case::Case;

/// A field of a structure of the runtime, in one map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) at: u64,
    pub(crate) bytes: usize,
    /// Whether any other value must be noticed. Of the rest some values are as good, or cannot be told from it.
    pub(crate) telling: bool,
}

/// The fields of a structure: name, bytes, whether any other value must be noticed.
type Fields = &'static [(&'static str, usize, bool)];

const HMAP: Fields = &[
    ("count", 8, true),
    ("flags", 1, false),
    ("B", 1, true),
    // Exact in maps of fewer than 2^16 buckets.
    ("noverflow", 2, false),
    ("hash0", 4, false),
    ("buckets", 8, true),
    ("oldbuckets", 8, true),
    ("nevacuate", 8, false),
    ("extra", 8, true),
];
const MAPEXTRA: Fields = &[
    ("overflow", 8, true),
    ("oldoverflow", 8, true),
    ("nextOverflow", 8, true),
];
const MAP: Fields = &[
    ("used", 8, true),
    ("seed", 8, false),
    ("dirPtr", 8, true),
    ("dirLen", 8, true),
    ("globalDepth", 1, true),
    // Not read.
    ("globalShift", 1, false),
    ("writing", 1, true),
    ("clearSeq", 8, false),
];
const TABLE: Fields = &[
    ("used", 2, true),
    ("capacity", 2, true),
    ("growthLeft", 2, true),
    ("localDepth", 1, true),
    ("index", 8, true),
    ("groups.data", 8, true),
    ("groups.lengthMask", 8, true),
];

/// Where the parts of one map lie.
pub(crate) struct Anatomy<'a> {
    case: &'a Case,
    pub(crate) header: u64,
    pub(crate) header_bytes: u64,
    pub(crate) fields: Vec<Field>,
    /// Of a map of buckets: what hangs on `mapextra`.
    pub(crate) extra: Vec<Field>,
    /// Arrays of buckets or groups, with how many there are in each.
    pub(crate) arrays: Vec<(u64, u64)>,
    /// Tables of a map of groups, once each.
    pub(crate) tables: Vec<u64>,
    /// Where the directory begins, and its entries.
    pub(crate) directory: Option<(u64, u64)>,
    pub(crate) group_bytes: u64,
    pub(crate) generation: Generation,
}

impl<'a> Anatomy<'a> {
    pub(crate) fn of(case: &'a Case, heap: &GoHeap, map: &MapInfo) -> Result<Self> {
        let shape = heap.map_shape(map).context("a map without a shape")?;
        let (name, fields) = match map.generation() {
            Generation::Classic => ("runtime.hmap", HMAP),
            Generation::Swiss => ("internal/runtime/maps.Map", MAP),
        };
        let debug = case.program.debug();
        let header = map.address.0;
        let mut this = Self {
            case,
            header,
            header_bytes: debug.struct_layout(name).context("no header")?.size,
            fields: fields_of(case, name, fields, header)?,
            extra: Vec::new(),
            arrays: Vec::new(),
            tables: Vec::new(),
            directory: None,
            group_bytes: shape.group_bytes(),
            generation: map.generation(),
        };
        match map.structure {
            Structure::Classic(inside) => {
                this.arrays.push((this.value("buckets")?, 1 << inside.b));
                if let Some(growth) = inside.growth {
                    let old = this.value("oldbuckets")?;
                    this.arrays.push((old, growth.old_buckets));
                }
                let extra = this.value("extra")?;
                if extra != 0 {
                    this.extra = fields_of(case, "runtime.mapextra", MAPEXTRA, extra)?;
                }
            }
            Structure::Swiss(inside) if inside.directory_len == 0 => {
                this.arrays.push((this.value("dirPtr")?, 1));
            }
            Structure::Swiss(inside) => {
                let at = this.value("dirPtr")?;
                this.directory = Some((at, inside.directory_len));
                for index in 0..inside.directory_len {
                    this.tables.push(case.whole.u64(Addr(at + 8 * index))?);
                }
                this.tables.dedup();
                for table in this.tables.clone() {
                    let fields = this.table(table)?;
                    let named = |name: &str| fields.iter().find(|f| f.name == name);
                    let data = named("groups.data").context("no groups")?.at;
                    let mask = named("groups.lengthMask").context("no mask")?.at;
                    let groups = case.whole.u64(Addr(mask))? + 1;
                    this.arrays.push((case.whole.u64(Addr(data))?, groups));
                }
            }
        }
        this.arrays.retain(|(at, _)| *at != 0);
        Ok(this)
    }

    pub(crate) fn table(&self, at: u64) -> Result<Vec<Field>> {
        fields_of(self.case, "internal/runtime/maps.table", TABLE, at)
    }

    /// The word in a field of the header.
    fn value(&self, name: &str) -> Result<u64> {
        let field = self.fields.iter().find(|f| f.name == name);
        let field = field.with_context(|| format!("no field {name}"))?;
        Ok(self.case.whole.u64(Addr(field.at))?)
    }

    /// Some bucket or group of it; of the buckets of a chain each as likely.
    pub(crate) fn group(&self, random: &mut Random) -> Result<u64> {
        let (at, groups) = *self
            .arrays
            .get(random.index(self.arrays.len()))
            .context("a map without cells")?;
        let mut at = at + random.below(groups) * self.group_bytes;
        while self.generation == Generation::Classic && random.below(2) == 0 {
            match self.case.whole.u64(Addr(self.next_of(at)))? {
                0 => break,
                next => at = next,
            }
        }
        Ok(at)
    }

    /// Where a bucket has its pointer to the next one of the chain.
    pub(crate) fn next_of(&self, bucket: u64) -> u64 {
        bucket + self.group_bytes - 8
    }

    /// Addresses of its parts.
    pub(crate) fn parts(&self) -> Vec<u64> {
        let mut parts = vec![self.header];
        parts.extend(self.arrays.iter().map(|(at, _)| *at));
        parts.extend(self.directory.map(|(at, _)| at));
        parts.extend(self.tables.first());
        parts.extend(self.extra.first().map(|f| f.at));
        parts
    }
}

fn fields_of(case: &Case, name: &str, fields: Fields, at: u64) -> Result<Vec<Field>> {
    let field = |(field, bytes, telling): &(&'static str, usize, bool)| {
        let found = case.program.debug().field(name, field);
        let offset = found.with_context(|| format!("no {name}.{field}"))?.offset;
        Ok(Field {
            name: field,
            at: at + offset,
            bytes: *bytes,
            telling: *telling,
        })
    };
    fields.iter().map(field).collect()
}
