//! Kinds of types, as the runtime numbers them (`internal/abi/type.go`, unchanged from Go 1.21 to 1.27).

/// `abi.Interface`.
pub(crate) const KIND_INTERFACE: u8 = 20;
