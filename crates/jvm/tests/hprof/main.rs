//! Heap dumps that are written by the tests themselves, by code that shares nothing with the reader.

mod bad_input;
mod common;
mod containers;
mod oracle;
