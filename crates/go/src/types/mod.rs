//! Types of Go values.

mod kind;

pub(crate) use kind::KIND_INTERFACE;
