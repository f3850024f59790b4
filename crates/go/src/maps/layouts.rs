//! Offsets inside the runtime's map structures, by field name.

use crate::dwarf::DebugInfo;

/// The implementations of maps that the build knows. A build may carry the structures of both; the descriptor of a map
/// type says which one that type uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapLayouts {
    pub(crate) classic: Option<ClassicLayout>,
    pub(crate) swiss: Option<SwissLayout>,
}

/// `runtime.hmap` and `runtime.mapextra` (`runtime/map.go` up to 1.23, `runtime/map_noswiss.go` in 1.24 and 1.25).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassicLayout {
    pub(crate) size: u64,
    pub(crate) count: u64,
    pub(crate) flags: u64,
    pub(crate) b: u64,
    pub(crate) noverflow: u64,
    /// `None` where only the hash of keys is out of reach without it.
    pub(crate) hash0: Option<u64>,
    pub(crate) buckets: u64,
    pub(crate) oldbuckets: u64,
    pub(crate) nevacuate: u64,
    pub(crate) extra: u64,
    pub(crate) extra_size: u64,
    pub(crate) overflow: u64,
    pub(crate) oldoverflow: u64,
    pub(crate) next_overflow: u64,
    /// `runtime.loadFactorNum`: twice the entries a bucket holds on average before the map grows.
    pub(crate) load_factor_num: u64,
    pub(crate) iterator: Option<ClassicIterator>,
}

/// `runtime.hiter`, which `reflect.hiter` repeats (`runtime/map.go`, `reflect/value.go`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassicIterator {
    /// The map's type.
    pub(crate) type_: u64,
    /// Its header.
    pub(crate) map: u64,
    pub(crate) buckets: u64,
    pub(crate) overflow: u64,
    pub(crate) oldoverflow: u64,
    /// Log2 of the number of buckets of the array.
    pub(crate) b: u64,
}

/// `internal/runtime/maps.Map`, `table` and `groupsReference` (1.24 and later).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwissLayout {
    pub(crate) size: u64,
    pub(crate) used: u64,
    /// `None` where only the hash of keys is out of reach without it.
    pub(crate) seed: Option<u64>,
    pub(crate) dir_ptr: u64,
    pub(crate) dir_len: u64,
    pub(crate) global_depth: u64,
    pub(crate) writing: u64,
    pub(crate) table_size: u64,
    pub(crate) table_used: u64,
    pub(crate) table_growth_left: u64,
    pub(crate) table_local_depth: u64,
    pub(crate) table_capacity: u64,
    pub(crate) table_index: u64,
    pub(crate) table_groups: u64,
    pub(crate) table_length_mask: u64,
    pub(crate) iterator: Option<SwissIterator>,
}

/// `internal/runtime/maps.Iter`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwissIterator {
    /// The map's type.
    pub(crate) type_: u64,
    /// Its header.
    pub(crate) map: u64,
    pub(crate) table: u64,
}

impl MapLayouts {
    /// Looks the structures up.
    pub(crate) fn resolve(debug: &DebugInfo) -> Self {
        Self {
            classic: classic(debug),
            swiss: swiss(debug),
        }
    }
}

fn classic(debug: &DebugInfo) -> Option<ClassicLayout> {
    let hmap = |field| debug.field("runtime.hmap", field).map(|f| f.offset);
    let mapextra = |field| debug.field("runtime.mapextra", field).map(|f| f.offset);
    Some(ClassicLayout {
        size: debug.struct_layout("runtime.hmap")?.size,
        count: hmap("count")?,
        flags: hmap("flags")?,
        b: hmap("B")?,
        noverflow: hmap("noverflow")?,
        hash0: hmap("hash0"),
        buckets: hmap("buckets")?,
        oldbuckets: hmap("oldbuckets")?,
        nevacuate: hmap("nevacuate")?,
        extra: hmap("extra")?,
        extra_size: debug.struct_layout("runtime.mapextra")?.size,
        overflow: mapextra("overflow")?,
        oldoverflow: mapextra("oldoverflow")?,
        next_overflow: mapextra("nextOverflow")?,
        load_factor_num: u64::try_from(debug.constant("runtime.loadFactorNum")?).ok()?,
        iterator: classic_iterator(debug),
    })
}

fn classic_iterator(debug: &DebugInfo) -> Option<ClassicIterator> {
    let field = |name| debug.field("runtime.hiter", name).map(|f| f.offset);
    Some(ClassicIterator {
        type_: field("t")?,
        map: field("h")?,
        buckets: field("buckets")?,
        overflow: field("overflow")?,
        oldoverflow: field("oldoverflow")?,
        b: field("B")?,
    })
}

fn swiss(debug: &DebugInfo) -> Option<SwissLayout> {
    let map = |field| {
        debug
            .field("internal/runtime/maps.Map", field)
            .map(|f| f.offset)
    };
    let table = |field| {
        debug
            .field("internal/runtime/maps.table", field)
            .map(|f| f.offset)
    };
    Some(SwissLayout {
        size: debug.struct_layout("internal/runtime/maps.Map")?.size,
        used: map("used")?,
        seed: map("seed"),
        dir_ptr: map("dirPtr")?,
        dir_len: map("dirLen")?,
        global_depth: map("globalDepth")?,
        writing: map("writing")?,
        table_size: debug.struct_layout("internal/runtime/maps.table")?.size,
        table_used: table("used")?,
        table_growth_left: table("growthLeft")?,
        table_local_depth: table("localDepth")?,
        table_capacity: table("capacity")?,
        table_index: table("index")?,
        table_groups: table("groups.data")?,
        table_length_mask: table("groups.lengthMask")?,
        iterator: swiss_iterator(debug),
    })
}

fn swiss_iterator(debug: &DebugInfo) -> Option<SwissIterator> {
    let field = |name| {
        let iterator = "internal/runtime/maps.Iter";
        debug.field(iterator, name).map(|f| f.offset)
    };
    Some(SwissIterator {
        type_: field("typ")?,
        map: field("m")?,
        table: field("tab")?,
    })
}
