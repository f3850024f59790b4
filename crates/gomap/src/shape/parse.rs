//! Go map types from text.

use super::{Algorithm, POINTER, Part, Shape};

/// Types inside types deeper than this are refused: no program has them, and reading is recursive.
const MAX_DEPTH: u32 = 32;
/// Values of more bytes than this are refused: the runtime cannot allocate them either (`maxAlloc`).
const MAX_SIZE: u64 = 1 << 40;

/// Why a text is no map type that can be laid out.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ShapeError {
    /// Something else was expected.
    #[error("expected {wanted} at {rest:?}")]
    Expected {
        /// What.
        wanted: &'static str,
        /// The text from there on.
        rest: String,
    },
    /// A name whose size is not known.
    #[error("{0:?} is no predeclared type; name its parts, as in struct{{int; string}}")]
    Unknown(String),
    /// Larger or deeper than any program has it.
    #[error("the type is too large or too deep")]
    TooLarge,
    /// Maps cannot have such keys.
    #[error("slices, maps and functions cannot be keys")]
    NoKey,
}

/// A type, and whether it can be a key.
type Typed = (Part, bool);

pub(super) fn shape(text: &str) -> Result<Shape, ShapeError> {
    let mut reader = Reader { rest: text.trim() };
    reader.expect("map[")?;
    let (key, comparable) = reader.part(0)?;
    if !comparable {
        return Err(ShapeError::NoKey);
    }
    reader.expect("]")?;
    let (elem, _) = reader.part(0)?;
    if !reader.rest.is_empty() {
        return Err(reader.expected("the end"));
    }
    Ok(Shape { key, elem })
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn expected(&self, wanted: &'static str) -> ShapeError {
        let rest = self.rest.chars().take(20).collect();
        ShapeError::Expected { wanted, rest }
    }

    fn eat(&mut self, what: &str) -> bool {
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, what: &'static str) -> Result<(), ShapeError> {
        if self.eat(what) {
            Ok(())
        } else {
            Err(self.expected(what))
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '/'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn part(&mut self, depth: u32) -> Result<Typed, ShapeError> {
        if depth > MAX_DEPTH {
            return Err(ShapeError::TooLarge);
        }
        if self.eat("*") {
            self.pointee(depth)?;
            return Ok((words(1, true, Algorithm::Memory), true));
        }
        if self.eat("[]") {
            self.pointee(depth)?;
            return Ok((words(3, true, Algorithm::Special), false));
        }
        if self.eat("map[") {
            self.pointee(depth)?;
            self.expect("]")?;
            self.pointee(depth)?;
            return Ok((words(1, true, Algorithm::Special), false));
        }
        if self.eat("func()") {
            return Ok((words(1, true, Algorithm::Special), false));
        }
        if self.eat("chan ") {
            self.pointee(depth)?;
            return Ok((words(1, true, Algorithm::Memory), true));
        }
        if self.eat("[") {
            let length: u64 = self.word().parse().map_err(|_| self.expected("a length"))?;
            self.expect("]")?;
            let (of, comparable) = self.part(depth + 1)?;
            return Ok((array(length, of)?, comparable));
        }
        if self.eat("struct{") {
            return self.structure(depth);
        }
        let name = self.word();
        predeclared(name).ok_or_else(|| {
            if name.is_empty() {
                self.expected("a type")
            } else {
                ShapeError::Unknown(name.to_owned())
            }
        })
    }

    /// A type whose size does not matter: any name will do.
    fn pointee(&mut self, depth: u32) -> Result<(), ShapeError> {
        match self.part(depth + 1) {
            Ok(_) | Err(ShapeError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn structure(&mut self, depth: u32) -> Result<Typed, ShapeError> {
        let mut fields = Vec::new();
        let mut comparable = true;
        while !self.eat("}") {
            let (field, may_be_key) = self.part(depth + 1)?;
            comparable &= may_be_key;
            fields.push(field);
            if !self.eat(";") && !self.rest.starts_with('}') {
                return Err(self.expected("; or }"));
            }
        }
        Ok((join(&fields)?, comparable))
    }
}

fn words(count: u64, pointers: bool, algorithm: Algorithm) -> Part {
    Part {
        size: count * POINTER,
        align: POINTER,
        pointers,
        algorithm,
    }
}

fn array(length: u64, of: Part) -> Result<Part, ShapeError> {
    let size = of
        .size
        .checked_mul(length)
        .filter(|&size| size <= MAX_SIZE)
        .ok_or(ShapeError::TooLarge)?;
    Ok(Part {
        size,
        align: of.align,
        pointers: of.pointers && length > 0,
        algorithm: match (length, of.algorithm) {
            (0, _) | (_, Algorithm::Memory) => Algorithm::Memory,
            (1, algorithm) => algorithm,
            _ => Algorithm::Special,
        },
    })
}

/// A struct of these fields, in order (`types.CalcStructSize`, `types.AlgType`).
fn join(fields: &[Part]) -> Result<Part, ShapeError> {
    let (mut size, mut align, mut padded) = (0u64, 1, false);
    for field in fields {
        let at = size.next_multiple_of(field.align);
        padded |= at != size;
        size = at + field.size;
        align = align.max(field.align);
        if size > MAX_SIZE {
            return Err(ShapeError::TooLarge);
        }
    }
    if size > 0 && fields.last().is_some_and(|last| last.size == 0) {
        size += 1;
    }
    let end = size.next_multiple_of(align);
    padded |= end != size;
    let algorithm = match fields {
        [only] => only.algorithm,
        all if !padded && all.iter().all(|f| f.algorithm == Algorithm::Memory) => Algorithm::Memory,
        _ => Algorithm::Special,
    };
    Ok(Part {
        size: end,
        align,
        pointers: fields.iter().any(|f| f.pointers),
        algorithm,
    })
}

fn predeclared(name: &str) -> Option<Typed> {
    let plain = |size| Part {
        size,
        align: size,
        pointers: false,
        algorithm: Algorithm::Memory,
    };
    let special = |size, align| Part {
        algorithm: Algorithm::Special,
        align,
        ..plain(size)
    };
    Some((
        match name {
            "bool" | "int8" | "uint8" | "byte" => plain(1),
            "int16" | "uint16" => plain(2),
            "int32" | "uint32" | "rune" => plain(4),
            "int" | "uint" | "int64" | "uint64" | "uintptr" => plain(8),
            "float32" => special(4, 4),
            "float64" => special(8, 8),
            "complex64" => special(8, 4),
            "complex128" => special(16, 8),
            "string" => words(2, true, Algorithm::Text),
            "any" | "error" => words(2, true, Algorithm::Special),
            _ => return None,
        },
        true,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_map_type_is_refused_with_a_reason() {
        for bad in [
            "",
            "int",
            "map[",
            "map[int]",
            "map[int]T",
            "map[[]int]int",
            "map[func()]int",
            "map[int]int extra",
            "map[[99999999999999999999]int]int",
            "map[[9999999999999999]int]int",
            "map[struct{int",
            "map[struct{int int}]int",
        ] {
            assert!(shape(bad).is_err(), "{bad:?}");
        }
        let deep = format!("map[{}int]int", "[1]".repeat(1000));
        assert_eq!(shape(&deep), Err(ShapeError::TooLarge));
        let deep = format!("map[{}int]int", "*".repeat(100_000));
        assert_eq!(shape(&deep), Err(ShapeError::TooLarge));
    }

    #[test]
    fn structs_are_padded_as_the_compiler_pads_them() {
        let of = |text: &str| {
            let s = shape(&format!("map[int]{text}")).unwrap();
            (s.elem.size, s.elem.align, s.elem.pointers)
        };
        assert_eq!(of("struct{bool; int}"), (16, 8, false));
        assert_eq!(of("struct{int; struct{}}"), (16, 8, false));
        assert_eq!(of("struct{string; *T; []byte}"), (48, 8, true));
        assert_eq!(of("[3]struct{uint8; uint16}"), (12, 2, false));
        assert_eq!(of("struct{}"), (0, 1, false));
    }
}
