//! From addresses to dense ids and back. Ids follow address order.

/// Addresses that a word of the bitmap stands for, in bytes: 64 granules of 8.
const WORD_SPAN: u64 = 64 * 8;
/// Bytes that the bitmap may take per object before a sorted list takes less.
const MAX_BYTES_PER_OBJECT: u64 = 32;

/// 64 granules: which of them begin an object, and how many objects begin before.
#[derive(Clone, Copy, Default)]
pub(crate) struct Word {
    bits: u64,
    before: u32,
}

/// All objects by address.
pub(crate) enum Index {
    /// One bit for each 8 bytes between the first and the last object.
    Bitmap {
        base: u64,
        words: Vec<Word>,
        len: u32,
    },
    /// Objects far apart, or at odd addresses.
    Sorted(Vec<u64>),
}

impl Index {
    /// Collects addresses that may come in any order and more than once. `None` if there are more than ids.
    pub(crate) fn of<'a, I>(addresses: impl Fn() -> I) -> Option<Self>
    where
        I: Iterator<Item = &'a u64>,
    {
        let (mut low, mut high, mut count, mut odd) = (u64::MAX, 0, 0u64, 0);
        for address in addresses() {
            low = low.min(*address);
            high = high.max(*address);
            odd |= *address & 7;
            count += 1;
        }
        if count == 0 {
            return Some(Self::Sorted(Vec::new()));
        }
        let base = low - low % WORD_SPAN;
        let words = (high - base) / WORD_SPAN + 1;
        let fits = words.saturating_mul(16) <= count.saturating_mul(MAX_BYTES_PER_OBJECT);
        if odd != 0 || !fits {
            let mut sorted: Vec<u64> = addresses().copied().collect();
            sorted.sort_unstable();
            sorted.dedup();
            sorted.shrink_to_fit();
            return (sorted.len() < u32::MAX as usize).then_some(Self::Sorted(sorted));
        }
        let mut words = vec![Word::default(); words as usize];
        for address in addresses() {
            let granule = (address - base) / 8;
            words[(granule / 64) as usize].bits |= 1 << (granule % 64);
        }
        let mut len = 0u32;
        for word in &mut words {
            word.before = len;
            len = len.checked_add(word.bits.count_ones())?;
        }
        Some(Self::Bitmap { base, words, len })
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Bitmap { len, .. } => *len,
            Self::Sorted(sorted) => sorted.len() as u32,
        }
    }

    /// The object that begins at this address.
    #[inline]
    pub(crate) fn find(&self, address: u64) -> Option<u32> {
        match self {
            Self::Bitmap { base, words, .. } => {
                let granule = address.checked_sub(*base)? / 8;
                let word = words.get((granule / 64) as usize)?;
                let bit = 1u64 << (granule % 64);
                if word.bits & bit == 0 || !address.is_multiple_of(8) {
                    return None;
                }
                Some(word.before + (word.bits & (bit - 1)).count_ones())
            }
            Self::Sorted(sorted) => sorted.binary_search(&address).ok().map(|i| i as u32),
        }
    }

    /// Where the object of this id begins; 0 if there is none.
    pub(crate) fn address(&self, id: u32) -> u64 {
        match self {
            Self::Bitmap { base, words, len } => {
                if id >= *len {
                    return 0;
                }
                let at = words.partition_point(|w| w.before <= id) - 1;
                let mut bits = words[at].bits;
                for _ in 0..id - words[at].before {
                    bits &= bits - 1;
                }
                let granule = at as u64 * 64 + u64::from(bits.trailing_zeros());
                base + granule * 8
            }
            Self::Sorted(sorted) => sorted.get(id as usize).copied().unwrap_or_default(),
        }
    }

    /// The first object behind `address`.
    pub(crate) fn after(&self, address: u64) -> Option<u64> {
        match self {
            Self::Bitmap { base, words, .. } => {
                let granule = (address + 8).saturating_sub(*base) / 8;
                let mut at = (granule / 64) as usize;
                let mut bits = words.get(at)?.bits & (u64::MAX << (granule % 64));
                while bits == 0 {
                    at += 1;
                    bits = words.get(at)?.bits;
                }
                let granule = at as u64 * 64 + u64::from(bits.trailing_zeros());
                Some(base + granule * 8)
            }
            Self::Sorted(sorted) => {
                let at = sorted.partition_point(|a| *a <= address);
                sorted.get(at).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[u64]) {
        let index = Index::of(|| addresses.iter()).unwrap();
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
        check(&[3, 5, 9]);
        check(&[]);
        let many: Vec<u64> = (0..10_000u64).map(|i| 0x7000_0000 + i * 24).rev().collect();
        check(&many);
    }
}
