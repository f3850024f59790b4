//! One place of one map, overwritten.

use std::fmt;

use anyhow::{Context, Result};
use leakscope_go::maps::Generation;
use leakscope_target::{Addr, Memory};
use leakscope_testkit::Random;

use super::anatomy::{Anatomy, Field};
use super::case::Case;

/// Bytes of a control word, and of what stands for it in a bucket.
const CONTROL: u64 = 8;

/// What is written where.
pub(crate) struct Damage {
    what: String,
    pub(crate) at: Addr,
    pub(crate) bytes: Vec<u8>,
    /// It must be noticed.
    pub(crate) telling: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:02x?} at {}", self.what, self.bytes, self.at)
    }
}

/// Damages a map, of which `parts` are the parts of others.
pub(crate) fn damage(
    case: &Case,
    map: &Anatomy<'_>,
    parts: &[u64],
    random: &mut Random,
) -> Result<Damage> {
    let damager = Damager { case, map, parts };
    let mut damage = match random.below(8) {
        0 | 1 => damager.field("header", &map.fields, random),
        2 => damager.noise("header", map.header, map.header_bytes, random),
        3 | 4 => damager.structure(random),
        5 => damager.control(random),
        6 => damager.next(random),
        _ => {
            let group = map.group(random)?;
            damager.noise("cells", group, map.group_bytes, random)
        }
    }?;
    let before = case.whole.bytes(damage.at, damage.bytes.len() as u64)?;
    damage.telling &= before != damage.bytes;
    Ok(damage)
}

struct Damager<'d> {
    case: &'d Case,
    map: &'d Anatomy<'d>,
    parts: &'d [u64],
}

impl Damager<'_> {
    /// A field, by a value as is likely to get past a check of it.
    fn field(&self, of: &str, fields: &[Field], random: &mut Random) -> Result<Damage> {
        let field = fields.get(random.index(fields.len())).context("no field")?;
        let mut word = [0; 8];
        let kept = word.get_mut(..field.bytes).context("a wide field")?;
        self.case.whole.read(Addr(field.at), kept)?;
        let new = self.value(u64::from_le_bytes(word), random).to_le_bytes();
        Ok(Damage {
            what: format!("{of}.{}", field.name),
            at: Addr(field.at),
            bytes: new[..field.bytes].to_vec(),
            telling: field.telling,
        })
    }

    fn value(&self, old: u64, random: &mut Random) -> u64 {
        let part = self.parts.get(random.index(self.parts.len())).copied();
        match random.below(10) {
            0 => 0,
            1 => u64::MAX,
            2 => old.wrapping_add(1),
            3 => old.wrapping_sub(1),
            4 => old.wrapping_add(self.map.group_bytes),
            5 => old << 1,
            6 => old ^ (1 << random.below(64)),
            7 => part.unwrap_or_default(),
            8 => random.below(256),
            _ => random.number(),
        }
    }

    /// Random bytes over some of the `len` bytes at `at`.
    fn noise(&self, of: &str, at: u64, len: u64, random: &mut Random) -> Result<Damage> {
        let start = random.below(len);
        let bytes = 1 + random.below(len - start);
        Ok(Damage {
            what: format!("{bytes} random bytes from {start} on over {of}"),
            at: Addr(at + start),
            bytes: (0..bytes).map(|_| random.number() as u8).collect(),
            telling: false,
        })
    }

    /// Directories, tables, and what hangs on `mapextra`.
    fn structure(&self, random: &mut Random) -> Result<Damage> {
        if let Some((at, len)) = self.map.directory {
            if random.below(3) == 0 {
                let entry = Field {
                    name: "entry",
                    at: at + 8 * random.below(len),
                    bytes: 8,
                    telling: true,
                };
                return self.field("directory", &[entry], random);
            }
            let tables = &self.map.tables;
            let table = tables.get(random.index(tables.len()));
            let fields = self.map.table(*table.context("no tables")?)?;
            return self.field("table", &fields, random);
        }
        match self.map.extra.is_empty() {
            true => self.field("header", &self.map.fields, random),
            false => self.field("mapextra", &self.map.extra, random),
        }
    }

    fn control(&self, random: &mut Random) -> Result<Damage> {
        let at = self.map.group(random)?;
        let mut bytes = [0; CONTROL as usize];
        self.case.whole.read(Addr(at), &mut bytes)?;
        let one = random.index(bytes.len());
        let what = match random.below(4) {
            0 => {
                bytes = random.number().to_le_bytes();
                "control word, all of it"
            }
            1 => {
                bytes[one] = random.number() as u8;
                "control byte, any"
            }
            2 => {
                bytes = [[0, 1, 2, 4, 0x80, 0xfe, 0xff][random.index(7)]; 8];
                "control word, all alike"
            }
            _ => {
                bytes[one] = [0, 1, 2, 3, 4, 0x80, 0xfe][random.index(7)];
                "control byte, a mark"
            }
        };
        Ok(Damage {
            what: what.to_owned(),
            at: Addr(at),
            bytes: bytes.to_vec(),
            telling: false,
        })
    }

    /// A pointer to the next bucket of a chain; of groups, their control words.
    fn next(&self, random: &mut Random) -> Result<Damage> {
        if self.map.generation == Generation::Swiss {
            return self.control(random);
        }
        let bucket = self.map.group(random)?;
        let (array, _) = *self.map.arrays.first().context("no array")?;
        let part = self.parts.get(random.index(self.parts.len())).copied();
        let (what, next) = match random.below(7) {
            0 => ("to itself", bucket),
            1 => ("to the first bucket", array),
            2 => ("into the bucket", bucket + 8),
            3 => ("to a part of another map", part.unwrap_or_default()),
            4 => ("nil", 0),
            5 => ("to another bucket", self.map.group(random)?),
            _ => ("wild", random.number()),
        };
        Ok(Damage {
            what: format!("overflow pointer {what}"),
            at: Addr(self.map.next_of(bucket)),
            bytes: next.to_le_bytes().to_vec(),
            // A chain that ends early, or goes on in one of this map's, is missed or counted twice by its entries alone.
            telling: !matches!(next, 0) && what != "to another bucket",
        })
    }
}
