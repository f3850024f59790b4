//! From addresses to dense ids and back. Ids follow address order.

/// Addresses that a word stands for, in bytes: 64 granules of 8.
const WORD_SPAN: u64 = 64 * 8;
/// Words of a block. Blocks without objects, as between regions of a heap and far from it, take no words.
const BLOCK: usize = 64;
/// Addresses that a block stands for, in bytes.
const BLOCK_SPAN: u64 = BLOCK as u64 * WORD_SPAN;
/// Bytes that blocks and their directory may take per object before a sorted list takes less.
const MAX_BYTES_PER_OBJECT: u64 = 32;
/// Stands in the directory for a block without objects.
const EMPTY: u32 = u32::MAX;

/// 64 granules: which of them begin an object, and how many objects begin before.
#[derive(Clone, Copy, Default)]
pub(crate) struct Word {
    bits: u64,
    before: u32,
}

/// A bit for each 8 bytes of the blocks that hold objects.
pub(crate) struct Bitmap {
    base: u64,
    /// For each block from `base` on, its number among those that hold objects, or [`EMPTY`].
    directory: Vec<u32>,
    /// For each block that holds objects its place in the directory.
    blocks: Vec<u32>,
    words: Vec<Word>,
    len: u32,
}

/// All objects by address.
pub(crate) enum Index {
    Bitmap(Bitmap),
    /// Objects far apart, or at odd addresses.
    Sorted(Vec<u64>),
}

impl Index {
    /// Collects addresses that may come in any order and more than once. `None` if there are more than ids.
    pub(crate) fn of(addresses: &[&[u64]]) -> Option<Self> {
        let (mut low, mut high, mut count, mut odd) = (u64::MAX, 0, 0u64, 0);
        for piece in addresses {
            for address in *piece {
                low = low.min(*address);
                high = high.max(*address);
                odd |= *address & 7;
            }
            count += piece.len() as u64;
        }
        if count == 0 {
            return Some(Self::Sorted(Vec::new()));
        }
        let base = low - low % BLOCK_SPAN;
        let most = count.saturating_mul(MAX_BYTES_PER_OBJECT);
        let blocks = (high - base) / BLOCK_SPAN + 1;
        if odd == 0 && blocks.saturating_mul(4) <= most {
            let mut bitmap = Bitmap::empty(base, blocks as usize, addresses);
            let bytes = bitmap.blocks.len() as u64 * BLOCK as u64 * size_of::<Word>() as u64;
            if bytes <= most {
                bitmap.fill(addresses)?;
                return Some(Self::Bitmap(bitmap));
            }
        }
        let mut sorted: Vec<u64> = addresses.concat();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.shrink_to_fit();
        (sorted.len() < u32::MAX as usize).then_some(Self::Sorted(sorted))
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Bitmap(bitmap) => bitmap.len,
            Self::Sorted(sorted) => sorted.len() as u32,
        }
    }

    /// The object that begins at this address.
    #[inline]
    pub(crate) fn find(&self, address: u64) -> Option<u32> {
        match self {
            Self::Bitmap(bitmap) => bitmap.find(address),
            Self::Sorted(sorted) => sorted.binary_search(&address).ok().map(|i| i as u32),
        }
    }

    /// Where the object of this id begins; 0 if there is none.
    pub(crate) fn address(&self, id: u32) -> u64 {
        match self {
            Self::Bitmap(bitmap) => bitmap.address(id),
            Self::Sorted(sorted) => sorted.get(id as usize).copied().unwrap_or_default(),
        }
    }

    /// The first object behind `address`, which is that of an object.
    pub(crate) fn after(&self, address: u64) -> Option<u64> {
        match self {
            Self::Bitmap(bitmap) => bitmap.after(address),
            Self::Sorted(sorted) => {
                let at = sorted.partition_point(|a| *a <= address);
                sorted.get(at).copied()
            }
        }
    }
}

impl Bitmap {
    /// Finds the blocks that hold objects; no object is in it yet.
    fn empty(base: u64, blocks: usize, addresses: &[&[u64]]) -> Self {
        let mut directory = vec![EMPTY; blocks];
        for piece in addresses {
            for address in *piece {
                directory[((address - base) / BLOCK_SPAN) as usize] = 0;
            }
        }
        let mut held = Vec::new();
        for (place, number) in directory.iter_mut().enumerate() {
            if *number != EMPTY {
                *number = held.len() as u32;
                held.push(place as u32);
            }
        }
        Self {
            base,
            directory,
            blocks: held,
            words: Vec::new(),
            len: 0,
        }
    }

    /// Enters the objects; `None` if they are more than ids.
    fn fill(&mut self, addresses: &[&[u64]]) -> Option<()> {
        let mut words = vec![Word::default(); self.blocks.len() * BLOCK];
        for piece in addresses {
            for address in *piece {
                if let Some((word, bit)) = self.place(*address) {
                    words[word].bits |= bit;
                }
            }
        }
        for word in &mut words {
            word.before = self.len;
            self.len = self.len.checked_add(word.bits.count_ones())?;
        }
        self.words = words;
        Some(())
    }

    /// The word of an address, and its bit there.
    #[inline]
    fn place(&self, address: u64) -> Option<(usize, u64)> {
        let offset = address.checked_sub(self.base)?;
        let number = *self.directory.get((offset / BLOCK_SPAN) as usize)?;
        if number == EMPTY || offset % 8 != 0 {
            return None;
        }
        let word = number as usize * BLOCK + (offset / WORD_SPAN) as usize % BLOCK;
        Some((word, 1 << (offset / 8 % 64)))
    }

    #[inline]
    fn find(&self, address: u64) -> Option<u32> {
        let (word, bit) = self.place(address)?;
        let word = &self.words[word];
        (word.bits & bit != 0).then(|| word.before + (word.bits & (bit - 1)).count_ones())
    }

    fn address(&self, id: u32) -> u64 {
        if id >= self.len {
            return 0;
        }
        let at = self.words.partition_point(|w| w.before <= id) - 1;
        let mut bits = self.words[at].bits;
        for _ in 0..id - self.words[at].before {
            bits &= bits - 1;
        }
        self.at(at, bits)
    }

    /// The address of the lowest of `bits` in a word.
    fn at(&self, word: usize, bits: u64) -> u64 {
        let block = u64::from(self.blocks[word / BLOCK]);
        let within = (word % BLOCK) as u64 * WORD_SPAN + u64::from(bits.trailing_zeros()) * 8;
        self.base + block * BLOCK_SPAN + within
    }

    fn after(&self, address: u64) -> Option<u64> {
        let (mut at, bit) = self.place(address)?;
        // Those above the object's own.
        let mut bits = self.words[at].bits & !(bit | (bit - 1));
        while bits == 0 {
            at += 1;
            bits = self.words.get(at)?.bits;
        }
        Some(self.at(at, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[u64]) {
        let (some, others) = addresses.split_at(addresses.len() / 2);
        let index = Index::of(&[some, others]).unwrap();
        let mut sorted = addresses.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(index.len() as usize, sorted.len());
        for (id, address) in sorted.iter().enumerate() {
            assert_eq!(index.find(*address), Some(id as u32));
            assert_eq!(index.address(id as u32), *address);
            assert_eq!(index.find(address + 1), None);
            assert_eq!(index.after(*address), sorted.get(id + 1).copied());
        }
        assert_eq!(index.find(0), None);
        assert_eq!(index.find(u64::MAX), None);
    }

    #[test]
    fn near_far_and_odd_addresses_are_found() {
        check(&[4096, 4104, 4168, 4616, 4096, 9216]);
        check(&[8, 1 << 40, 1 << 60]);
        let regions = (0..9000u64).map(|i| 4096 + ((i % 3) << 32) + i * 16);
        check(&regions.collect::<Vec<u64>>());
        check(&[u64::MAX - 23, u64::MAX - 15, u64::MAX - 7]);
        check(&[3, 5, 9]);
        check(&[]);
        let many: Vec<u64> = (0..10_000u64).map(|i| 0x7000_0000 + i * 24).rev().collect();
        check(&many);
    }
}
