//! Reading many records by a list of their addresses, with few system calls and in fixed room.

use leakscope_target::{Addr, Fault, Memory, PlanError, ReadRequest};

/// Addresses taken from the list at a time.
const ADDRESSES: usize = 8192;
/// Bytes of records held at a time.
const BYTES: usize = 2 << 20;
/// Pieces read with one call (the kernel takes no more at a time).
const PIECES: usize = 1024;
/// Records this far apart are read together with what lies between: one more piece costs as much as copying this.
const BRIDGE: u64 = 2048;

/// Room for a stretch of a list and the records it points to. Allocated once.
pub(super) struct Window {
    addresses: Vec<u8>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the record of each address taken lies in `bytes`.
    offsets: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Piece {
    at: u64,
    len: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            addresses: vec![0; ADDRESSES * 8],
            bytes: vec![0; BYTES],
            pieces: Vec::with_capacity(PIECES),
            offsets: Vec::with_capacity(ADDRESSES),
        }
    }

    /// Calls `f(address, bytes)` with the first `size` bytes of every record of the array of `len` addresses at
    /// `array`, in its order. Records that cannot be read are passed over. Does not allocate.
    pub(super) fn for_each(
        &mut self,
        memory: &dyn Memory,
        array: Addr,
        len: u64,
        size: u32,
        mut f: impl FnMut(Addr, &[u8]),
    ) -> Result<(), PlanError> {
        let size = size as usize;
        let mut done = 0;
        while done < len {
            let n = ((len - done) as usize).min(ADDRESSES);
            let Self { addresses, .. } = self;
            let list = addresses.get_mut(..n * 8).unwrap_or_default();
            let at = Addr(array.0.saturating_add(done * 8));
            memory
                .read(at, list)
                .map_err(|fault| PlanError::Unreadable {
                    what: "list of records",
                    fault,
                })?;
            let mut from = 0;
            while from < n {
                let taken = self.gather(from, n, size);
                self.read(memory)?;
                for (i, offset) in self.offsets.iter().enumerate() {
                    let offset = *offset as usize;
                    if let Some(record) = self.bytes.get(offset..offset + size) {
                        f(self.address(from + i), record);
                    }
                }
                from += taken.max(1);
            }
            done += n as u64;
        }
        Ok(())
    }

    fn address(&self, i: usize) -> Addr {
        let word = self
            .addresses
            .get(i * 8..i * 8 + 8)
            .and_then(|b| b.try_into().ok());
        Addr(word.map_or(0, u64::from_le_bytes))
    }

    /// Lays out the records of addresses `from..to`, as many as there is room for, in pieces that cover neighbours
    /// together. Returns how many addresses that took.
    fn gather(&mut self, from: usize, to: usize, size: usize) -> usize {
        self.pieces.clear();
        self.offsets.clear();
        let mut used = 0;
        for i in from..to {
            let at = self.address(i).0;
            let bridged = self.pieces.last().and_then(|p| {
                let offset = at.checked_sub(p.at)?;
                (offset <= p.len as u64 + BRIDGE).then_some(offset as usize)
            });
            match (bridged, self.pieces.last_mut()) {
                (Some(offset), Some(piece)) => {
                    let len = piece.len.max(offset + size);
                    if used + (len - piece.len) > BYTES {
                        break;
                    }
                    self.offsets.push((used - piece.len + offset) as u32);
                    used += len - piece.len;
                    piece.len = len;
                }
                _ => {
                    if used + size > BYTES || self.pieces.len() == PIECES {
                        break;
                    }
                    self.offsets.push(used as u32);
                    self.pieces.push(Piece { at, len: size });
                    used += size;
                }
            }
        }
        self.offsets.len()
    }

    /// Reads all pieces. One that cannot be read leaves zeros, which is no valid record of anything.
    fn read(&mut self, memory: &dyn Memory) -> Result<(), PlanError> {
        let mut requests: [ReadRequest<'_>; PIECES] = std::array::from_fn(|_| ReadRequest {
            at: Addr(0),
            buf: &mut [],
        });
        let mut rest = self.bytes.as_mut_slice();
        for (piece, request) in self.pieces.iter().zip(&mut requests) {
            let (buf, after) = rest.split_at_mut_checked(piece.len).unwrap_or_default();
            *request = ReadRequest {
                at: Addr(piece.at),
                buf,
            };
            rest = after;
        }
        let requests = requests.get_mut(..self.pieces.len()).unwrap_or_default();
        match memory.read_many(requests) {
            Ok(()) => Ok(()),
            Err(Fault::Gone) => Err(PlanError::Unreadable {
                what: "records",
                fault: Fault::Gone,
            }),
            Err(_) => {
                for request in requests {
                    if memory.read(request.at, request.buf).is_err() {
                        request.buf.fill(0);
                    }
                }
                Ok(())
            }
        }
    }
}
