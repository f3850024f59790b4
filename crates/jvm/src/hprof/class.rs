//! A class as a dump describes it.

use super::bytes::{Cursor, OBJECT, id_at, width};

/// A field or static field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawField {
    /// Id of the string that is its name.
    pub(crate) name: u64,
    /// Basic type.
    pub(crate) type_: u8,
    /// Of a static field that is a reference: the object.
    pub(crate) value: u64,
}

/// A `GC_CLASS_DUMP`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RawClass {
    pub(crate) id: u64,
    pub(crate) superclass: u64,
    pub(crate) loader: u64,
    pub(crate) signers: u64,
    pub(crate) domain: u64,
    pub(crate) statics: Vec<RawField>,
    /// Its own instance fields, in the order of the file.
    pub(crate) fields: Vec<RawField>,
}

impl RawClass {
    /// Parses the body of a sub-record: what comes behind the tag.
    pub(crate) fn parse<const W: usize>(body: &mut Cursor<'_, W>) -> Option<Self> {
        let id = body.id()?;
        body.u4()?;
        let superclass = body.id()?;
        let loader = body.id()?;
        let signers = body.id()?;
        let domain = body.id()?;
        body.take(2 * W + 4)?;
        for _ in 0..body.u2()? {
            body.u2()?;
            let type_ = body.u1()?;
            body.take(width::<W>(type_)?)?;
        }
        let mut statics = Vec::new();
        for _ in 0..body.u2()? {
            let name = body.id()?;
            let type_ = body.u1()?;
            let value = body.take(width::<W>(type_)?)?;
            statics.push(RawField {
                name,
                type_,
                value: if type_ == OBJECT {
                    id_at::<W>(value, 0)
                } else {
                    0
                },
            });
        }
        let mut fields = Vec::new();
        for _ in 0..body.u2()? {
            let name = body.id()?;
            let type_ = body.u1()?;
            width::<W>(type_)?;
            fields.push(RawField {
                name,
                type_,
                value: 0,
            });
        }
        Some(Self {
            id,
            superclass,
            loader,
            signers,
            domain,
            statics,
            fields,
        })
    }
}
