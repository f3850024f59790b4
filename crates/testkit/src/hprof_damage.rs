//! Damages heap dumps where it hurts: lengths, tags, types and ids, besides bytes of any sort.

use crate::{HprofShape, Random, RandomHprof, malformed_hprofs, sample_hprof};

/// Values that lengths and counts go wrong at.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_ffff,
    u64::MAX - 7,
];
/// Bytes that are tags of records and sub-records, and basic types.
const TAGS: [u8; 24] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x1c, 0x20,
    0x21, 0x22, 0x23, 0x2c, 0xc3, 0xfe, 0xff, 0x00,
];
/// A damaged dump does not grow beyond this.
const LONGEST: usize = 1 << 20;

/// A dump that is damaged in a few places. `corpus` are dumps to begin with, besides made-up ones.
pub fn damaged_hprof(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let (mut file, ids) = start(random, corpus);
    for _ in 0..1 + random.index(6) {
        damage(&mut file, &ids, random);
    }
    file
}

/// A dump to damage, and the ids of its objects where they are known.
fn start(random: &mut Random, corpus: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
    let version = ["1.0.1", "1.0.2"][random.index(2)];
    let id_size = [4, 8][random.index(2)];
    match random.below(8) {
        0 if !corpus.is_empty() => (corpus[random.index(corpus.len())].clone(), Vec::new()),
        1 => (sample_hprof(version, id_size), Vec::new()),
        2 => {
            let mut all = malformed_hprofs();
            (all.swap_remove(random.index(all.len())).1, Vec::new())
        }
        _ => {
            let shape = HprofShape {
                version,
                id_size,
                header: if id_size == 4 { 8 } else { 12 },
                alignment: 8,
                in_order: random.below(2) == 0,
                roots: random.below(4) > 0,
            };
            let objects = 1 + random.index(150);
            let dump = RandomHprof::new(random.number(), objects, &shape);
            let ids = dump.objects.iter().map(|o| o.id).collect();
            (dump.file, ids)
        }
    }
}

fn damage(file: &mut Vec<u8>, ids: &[u64], random: &mut Random) {
    if file.is_empty() {
        return;
    }
    let at = random.index(file.len());
    match random.below(10) {
        0 => file[at] ^= 1 << random.below(8),
        1 => file[at] = TAGS[random.index(TAGS.len())],
        2 => file.truncate(at),
        3 => {
            let end = (at + random.index(64)).min(file.len());
            file.drain(at..end);
        }
        4 => {
            // The same record, or part of one, once more somewhere else.
            let end = (at + random.index(300)).min(file.len());
            let part = file[at..end].to_vec();
            let to = random.index(file.len());
            if file.len() + part.len() < LONGEST {
                file.splice(to..to, part);
            }
        }
        5..7 => {
            let value = EDGES[random.index(EDGES.len())].to_be_bytes();
            let width = [1, 2, 4, 8][random.index(4)];
            put(file, at, &value[8 - width..]);
        }
        _ => {
            let width = [4, 8][random.index(2)];
            let any = |random: &mut Random| match random.below(4) {
                0 => EDGES[random.index(EDGES.len())],
                _ => ids.get(random.index(ids.len())).copied().unwrap_or(0x2000),
            };
            let (old, new) = (any(random).to_be_bytes(), any(random).to_be_bytes());
            let (old, new) = (&old[8 - width..], &new[8 - width..]);
            let found = file[at..].windows(width).position(|bytes| bytes == old);
            put(file, at + found.unwrap_or(0), new);
        }
    }
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = file.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
