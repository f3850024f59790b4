//! The HPROF format: records of a dump, in any order, as far as they go.
//!
//! A file is a header and records, each with a tag and a length. Heap segments are records that hold sub-records without
//! lengths of their own. The format is described in OpenJDK's `heapDumper.cpp` (comment at its head); all numbers are
//! big-endian.

pub(crate) mod bytes;
pub(crate) mod class;
pub(crate) mod header;
pub(crate) mod scan;
pub(crate) mod split;
pub(crate) mod sub;
pub(crate) mod tables;
