//! Names that a target chose: bounded in length, and escaped before they meet a terminal.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_width::UnicodeWidthChar;

/// Most bytes kept of a name. Type names with many type arguments reach some kilobytes; a megabyte is an attack or a defect.
pub const MAX_TEXT: usize = 4096;

/// Text that came from a target: at most [`MAX_TEXT`] bytes of UTF-8 (and `…` where it was longer).
///
/// The only way out to a person is [`Display`](fmt::Display), which escapes control characters, escape sequences,
/// text-direction overrides and everything without a width. In JSON it is a string, escaped by [`crate::to_json`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Text(String);

impl Text {
    /// Takes a name of any bytes. What is not UTF-8 becomes `\xNN`, byte by byte; what is too long is cut.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let cut = name.len() > MAX_TEXT;
        // One byte more than is kept, rounded up to whole characters: enough to see where to cut.
        let held = &name[..name.len().min(MAX_TEXT + 4)];
        let mut text = String::with_capacity(held.len());
        for chunk in held.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        if cut || text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('…');
        }
        Self(text)
    }

    /// Whether there is no character.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text as the target has it (bounded). For comparing and searching, never for printing.
    pub fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_safe(c) {
                f.write_char(c)?;
            } else if u32::from(c) < 0x100 {
                write!(f, "\\x{:02x}", u32::from(c))?;
            } else {
                write!(f, "\\u{{{:x}}}", u32::from(c))?;
            }
        }
        Ok(())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// From files that this program wrote: bounded again, because files can be changed.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl<T: AsRef<[u8]>> From<T> for Text {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// Whether a terminal shows `c` as itself and does nothing else with it: no control character (C0, DEL, C1), nothing
/// invisible (zero width, soft hyphen, combining marks, tags), nothing that turns the direction of text or ends a line.
pub(crate) fn is_safe(c: char) -> bool {
    let turns_or_breaks = matches!(
        u32::from(c),
        0xAD | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
            | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE0000..=0xE0FFF
    );
    !turns_or_breaks && c.width().is_some_and(|w| w > 0)
}

/// Columns that `text` takes on a terminal. Meant for escaped text.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `text` in at most `columns` columns, with `…` in the middle where it is longer.
pub(crate) fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let head =
        fitting(text.char_indices(), room.div_ceil(2)).map_or(0, |(at, c)| at + c.len_utf8());
    let rest = room - width(&text[..head]);
    let tail = fitting(text.char_indices().rev(), rest).map_or(text.len(), |(at, _)| at);
    Cow::Owned(format!("{}…{}", &text[..head], &text[tail..]))
}

/// The last of `chars` that fits when all before it take their columns too.
fn fitting(chars: impl Iterator<Item = (usize, char)>, columns: usize) -> Option<(usize, char)> {
    let mut used = 0;
    chars
        .take_while(|(_, c)| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_spelled_out() {
        let shown = |s: &str| Text::new(s).to_string();
        assert_eq!(
            shown("a\x1b[31mred\x07\n\r\t"),
            r"a\x1b[31mred\x07\x0a\x0d\x09"
        );
        assert_eq!(shown("\u{9b}2J\u{7f}"), r"\x9b2J\x7f");
        assert_eq!(
            shown("\u{202e}abc\u{2066}\u{200b}\u{feff}"),
            r"\u{202e}abc\u{2066}\u{200b}\u{feff}"
        );
        assert_eq!(
            shown("e\u{301}\u{e0041}\u{2028}"),
            r"e\u{301}\u{e0041}\u{2028}"
        );
        assert_eq!(
            shown("map[string]*größe.Überhang 世界"),
            "map[string]*größe.Überhang 世界"
        );
    }

    #[test]
    fn no_character_at_all_reaches_a_terminal_raw_that_has_no_width() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let shown = Text::new(c.to_string()).to_string();
            assert!(
                shown
                    .chars()
                    .all(|c| !c.is_control() && c.width().is_some_and(|w| w > 0)),
                "U+{:04X}",
                u32::from(c)
            );
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_spelled_out() {
        assert_eq!(
            Text::new(b"ab\xff\xc3(\xe4\xb8").to_string(),
            r"ab\xff\xc3(\xe4\xb8"
        );
    }

    #[test]
    fn a_megabyte_is_cut_to_the_bound() {
        for name in [
            "x".repeat(1 << 20),
            "界".repeat(1 << 18),
            "\u{202e}".repeat(1 << 18),
        ] {
            let text = Text::new(&name);
            assert!(text.raw().len() <= MAX_TEXT + '…'.len_utf8());
            assert!(text.raw().ends_with('…'));
        }
        assert!(Text::new(vec![0xff; 1 << 20]).raw().len() <= MAX_TEXT + '…'.len_utf8());
        let whole = "y".repeat(MAX_TEXT);
        assert_eq!(Text::new(&whole).raw(), whole);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("main.abcdefgh", 13), "main.abcdefgh");
        assert_eq!(shorten("main.abcdefgh", 7), "mai…fgh");
        assert_eq!(shorten("main.abcdefgh", 8), "main…fgh");
        assert_eq!(shorten("main.abcdefgh", 1), "…");
        assert_eq!(shorten("main.abcdefgh", 0), "");
        assert_eq!(shorten("世界世界世界", 6), "世…界");
        for columns in 0..30 {
            assert!(width(&shorten("a世bb界界ccc世d", columns)) <= columns);
        }
    }
}
