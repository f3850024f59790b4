//! How the cells of a map of some type are laid out, from the map type's descriptor.

use leakscope_target::{Addr, Memory};

use crate::dwarf::DebugInfo;

use super::TypeId;

/// The layout of the cells of all maps of one type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapLayout {
    /// Type of the keys.
    pub key: TypeId,
    /// Type of the elems.
    pub elem: TypeId,
    /// The cells hold pointers to the keys.
    pub indirect_key: bool,
    /// The cells hold pointers to the elems.
    pub indirect_elem: bool,
    /// Where keys and elems lie.
    pub cells: MapCells,
}

/// Where keys and elems lie in a bucket or group; all in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapCells {
    /// Buckets of `runtime.hmap`: top hashes, keys, elems, overflow pointer.
    Classic {
        /// A key as stored (a pointer where indirect).
        key_size: u64,
        /// An elem as stored (a pointer where indirect).
        elem_size: u64,
        /// A whole bucket.
        bucket_size: u64,
    },
    /// Groups of `internal/runtime/maps.Map`: key i at `keys + i * key_stride`, elem i at `elems + i * elem_stride`.
    Swiss {
        /// A whole group.
        group_size: u64,
        /// Offset of the first key in a group.
        keys: u64,
        /// Distance from one key to the next.
        key_stride: u64,
        /// Offset of the first elem in a group.
        elems: u64,
        /// Distance from one elem to the next.
        elem_stride: u64,
    },
}

/// Name of the structure that describes a map type in this build.
pub(super) fn descriptor(debug: &DebugInfo) -> Option<&'static str> {
    // 1.24 and 1.25 have both; `runtime.hmap` is only there where it is in use.
    let names = if debug.type_named("runtime.hmap").is_some() {
        ["internal/abi.OldMapType", "internal/abi.MapType"]
    } else {
        ["internal/abi.SwissMapType", "internal/abi.MapType"]
    };
    names.into_iter().find(|n| debug.type_named(n).is_some())
}

/// Fields of a map type's descriptor: offset and size in bytes.
#[derive(Clone, Copy, Debug)]
enum Fields {
    Classic {
        key_size: FieldAt,
        elem_size: FieldAt,
        bucket_size: FieldAt,
    },
    /// 1.24 to 1.26.
    Slots {
        group_size: FieldAt,
        slot_size: FieldAt,
        elem_offset: FieldAt,
        first_slot: u64,
    },
    /// 1.27 on.
    Strides {
        group_size: FieldAt,
        keys: FieldAt,
        key_stride: FieldAt,
        elems: FieldAt,
        elem_stride: FieldAt,
    },
}

#[derive(Clone, Copy, Debug)]
struct FieldAt {
    offset: u64,
    size: u64,
}

/// Reads map type descriptors.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapDescriptors {
    fields: Fields,
    flags: FieldAt,
    indirect_key: u64,
    indirect_elem: u64,
}

impl MapDescriptors {
    pub(super) fn resolve(debug: &DebugInfo) -> Option<Self> {
        let strukt = descriptor(debug)?;
        let field = |name: &str| {
            let f = debug.field(strukt, name)?;
            Some(FieldAt {
                offset: f.offset,
                size: debug.size_of(f.type_)?,
            })
        };
        let flag = |names: [&str; 2], otherwise: u64| {
            let value = names
                .iter()
                .find_map(|n| debug.constant(n))
                .and_then(|v| u64::try_from(v).ok());
            value.unwrap_or(otherwise)
        };
        let flags = field("Flags")?;
        if let Some(key_size) = field("KeySize") {
            let (elem_size, bucket_size) = (field("ValueSize")?, field("BucketSize")?);
            let fields = Fields::Classic {
                key_size,
                elem_size,
                bucket_size,
            };
            // `abi.MapType.IndirectKey`, `IndirectElem`: plain numbers in the runtime too.
            return Some(Self {
                fields,
                flags,
                indirect_key: 1,
                indirect_elem: 2,
            });
        }
        let group_size = field("GroupSize")?;
        let fields = match field("KeyStride") {
            Some(key_stride) => Fields::Strides {
                group_size,
                keys: field("KeysOff")?,
                key_stride,
                elems: field("ElemsOff")?,
                elem_stride: field("ElemStride")?,
            },
            None => {
                let (slot_size, elem_offset) = (field("SlotSize")?, field("ElemOff")?);
                // `maps.groupReference.key`: the slots follow the control word, `abi.SwissMapGroupSlots` bytes.
                Fields::Slots {
                    group_size,
                    slot_size,
                    elem_offset,
                    first_slot: 8,
                }
            }
        };
        let key = [
            "internal/abi.MapIndirectKey",
            "internal/abi.SwissMapIndirectKey",
        ];
        let elem = [
            "internal/abi.MapIndirectElem",
            "internal/abi.SwissMapIndirectElem",
        ];
        Some(Self {
            fields,
            flags,
            indirect_key: flag(key, 4),
            indirect_elem: flag(elem, 8),
        })
    }

    /// The layout that the descriptor at `at` states; `None` where it cannot be read.
    pub(super) fn read(
        &self,
        memory: &dyn Memory,
        at: Addr,
        key: TypeId,
        elem: TypeId,
    ) -> Option<MapLayout> {
        let get = |f: FieldAt| {
            let at = at.checked_add(f.offset)?;
            match f.size {
                1 => memory.u8(at).ok().map(u64::from),
                2 => memory.u16(at).ok().map(u64::from),
                4 => memory.u32(at).ok().map(u64::from),
                8 => memory.u64(at).ok(),
                _ => None,
            }
        };
        let flags = get(self.flags)?;
        let cells = match self.fields {
            Fields::Classic {
                key_size,
                elem_size,
                bucket_size,
            } => MapCells::Classic {
                key_size: get(key_size)?,
                elem_size: get(elem_size)?,
                bucket_size: get(bucket_size)?,
            },
            Fields::Slots {
                group_size,
                slot_size,
                elem_offset,
                first_slot,
            } => {
                let stride = get(slot_size)?;
                MapCells::Swiss {
                    group_size: get(group_size)?,
                    keys: first_slot,
                    key_stride: stride,
                    elems: first_slot.checked_add(get(elem_offset)?)?,
                    elem_stride: stride,
                }
            }
            Fields::Strides {
                group_size,
                keys,
                key_stride,
                elems,
                elem_stride,
            } => MapCells::Swiss {
                group_size: get(group_size)?,
                keys: get(keys)?,
                key_stride: get(key_stride)?,
                elems: get(elems)?,
                elem_stride: get(elem_stride)?,
            },
        };
        Some(MapLayout {
            key,
            elem,
            indirect_key: flags & self.indirect_key != 0,
            indirect_elem: flags & self.indirect_elem != 0,
            cells,
        })
    }
}
