//! The build information that the Go linker puts into every program (`debug/buildinfo`, since 1.18).

use super::Places;

/// Most bytes of the module text: the largest dependency lists in use are below 100 KB.
const MAX_TEXT: u64 = 4 << 20;

/// What the linker recorded of the build.
#[derive(Clone, Debug, Default)]
pub struct BuildInfo {
    /// The release, with experiments if any: `go1.25.5 X:greenteagc`.
    pub version: String,
    /// Import path of the main package.
    pub path: String,
    /// Path of the main module.
    pub module: String,
    /// Settings such as `-ldflags`, `-race`, `GOARCH`, `GOEXPERIMENT`, `CGO_ENABLED`, in the order recorded.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// The value of a setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Names of the experiments that differ from the release's default: from the version (`X:a,b`; joined by a dash since 1.26),
    /// or else from the `GOEXPERIMENT` setting.
    pub fn experiments(&self) -> Vec<&str> {
        let listed = match self.version.split_once("X:") {
            Some((_, list)) => Some(list),
            None => self.setting("GOEXPERIMENT"),
        };
        listed
            .into_iter()
            .flat_map(|l| l.split(','))
            .map(str::trim)
            .filter(|e| !e.is_empty())
            .collect()
    }
}

/// Finds the information in its section, or by its magic in writable data where sections were stripped.
pub(super) fn find(places: &Places<'_>) -> Option<BuildInfo> {
    if let Some(info) = places.section(".go.buildinfo").and_then(parse) {
        return Some(info);
    }
    places.writable().find_map(|data| {
        data.chunks(16).enumerate().find_map(|(i, c)| {
            if c.starts_with(MAGIC) {
                parse(data.get(i * 16..)?)
            } else {
                None
            }
        })
    })
}

const MAGIC: &[u8] = b"\xff Go buildinf:";

fn parse(blob: &[u8]) -> Option<BuildInfo> {
    /// Flag: the strings follow in place (since 1.18).
    const INLINE_STRINGS: u8 = 2;
    if !blob.starts_with(MAGIC) || blob.get(15)? & INLINE_STRINGS == 0 {
        return None;
    }
    let (version, rest) = string(blob.get(32..)?)?;
    let mut info = BuildInfo {
        version,
        ..BuildInfo::default()
    };
    if let Some((text, _)) = string(rest) {
        fill(&mut info, &text);
    }
    Some(info)
}

/// Reads the module text. It stands between two markers of 16 bytes (for tools that search memory for it), so the
/// first key is only found by its end.
fn fill(info: &mut BuildInfo, text: &str) {
    for line in text.lines() {
        match line.split_once('\t') {
            Some((key, value)) if key.ends_with("path") => info.path = value.to_owned(),
            Some(("mod", value)) => {
                info.module = value.split('\t').next().unwrap_or_default().to_owned()
            }
            Some(("build", value)) => {
                if let Some((k, v)) = value.split_once('=') {
                    info.settings
                        .push((k.to_owned(), v.trim_matches('"').to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// A string with its length as a varint before it, and what follows it.
fn string(data: &[u8]) -> Option<(String, &[u8])> {
    let mut len = 0u64;
    for (i, b) in data.iter().take(10).enumerate() {
        len |= u64::from(b & 0x7f).checked_shl(7 * i as u32)?;
        if b & 0x80 == 0 {
            if len > MAX_TEXT {
                return None;
            }
            let rest = data.get(i + 1..)?;
            let (s, rest) = rest.split_at_checked(len as usize)?;
            return Some((String::from_utf8_lossy(s).into_owned(), rest));
        }
    }
    None
}
