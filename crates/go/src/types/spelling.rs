//! From the linker's names of types, which DWARF carries, to the way Go's `reflect` spells them.
//!
//! `*net/http.Request` becomes `*http.Request`; type arguments keep full import paths, as the runtime keeps them.
//! Sources: `cmd/compile/internal/types/fmt.go` (`fmtTypeID`, `fmtTypeIDName` against `fmtGo`), `cmd/internal/objabi/path.go`.

/// Longest spelling; longer names are cut.
const MAX_LEN: usize = 64 << 10;

/// Spells a linker name as `reflect` would. `package_name` gives the name of the package with an import path, where it
/// is known.
pub(super) fn spell<'a>(full: &str, package_name: impl Fn(&str) -> Option<&'a str>) -> String {
    let full = full.strip_prefix("noalg.").unwrap_or(full);
    let mut out = String::with_capacity(full.len());
    let mut rest = full;
    // Which brackets are open; in a struct, field names stand where a field starts.
    let mut open: Vec<Bracket> = Vec::new();
    let mut field_starts = false;
    while let Some(c) = rest.chars().next() {
        if out.len() > MAX_LEN {
            break;
        }
        if is_word(c) {
            let (word, after) = rest.split_at(word_len(rest));
            let names_field = field_starts && after.starts_with(' ') && !after.starts_with(" }");
            field_starts = false;
            if names_field {
                // Fields that are not exported carry their package.
                out.push_str(word.rsplit('.').next().unwrap_or(word));
                rest = after;
                continue;
            }
            out.push_str(&spell_word(word, &package_name));
            rest = after;
            if rest.starts_with('[') && word != "map" && word != "chan" {
                let len = bracket_len(rest);
                let (args, after) = rest.split_at(len);
                out.push_str(args);
                rest = local_suffix_stripped(after);
            }
            continue;
        }
        match c {
            '"' => {
                let (text, after) = rest.split_at(quoted_len(rest));
                out.push_str(text);
                rest = after;
                continue;
            }
            '{' => {
                let strukt = out.trim_end().ends_with("struct");
                open.push(if strukt {
                    Bracket::Struct
                } else {
                    Bracket::Other
                });
                field_starts = strukt;
            }
            '}' => {
                open.pop();
                field_starts = false;
            }
            ';' => field_starts = open.last() == Some(&Bracket::Struct),
            ' ' => {}
            _ => field_starts = false,
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

#[derive(PartialEq, Eq)]
enum Bracket {
    Struct,
    Other,
}

/// The import path in the linker name of a declared type; `None` for all other types.
pub(super) fn package(full: &str) -> Option<String> {
    let base = full.get(..full.find('[').unwrap_or(full.len()))?;
    if base.is_empty() || !base.chars().all(is_word) || base.starts_with("go.shape.") {
        return None;
    }
    let slash = base.rfind('/').map_or(0, |i| i + 1);
    let dot = base.get(slash..)?.find('.')? + slash;
    Some(unescape(base.get(..dot)?))
}

/// Characters of (qualified) names: everything but Go's punctuation.
fn is_word(c: char) -> bool {
    !matches!(
        c,
        ' ' | '*' | '[' | ']' | '(' | ')' | '{' | '}' | ',' | ';' | '<' | '>' | '"'
    )
}

fn word_len(s: &str) -> usize {
    s.find(|c| !is_word(c)).unwrap_or(s.len())
}

/// Length of the text in brackets at the start of `s`, brackets included.
fn bracket_len(s: &str) -> usize {
    let mut depth = 0usize;
    let mut quoted_until = 0;
    for (i, c) in s.char_indices() {
        if i < quoted_until {
            continue;
        }
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            '"' => quoted_until = i + quoted_len(s.get(i..).unwrap_or_default()),
            _ => {}
        }
    }
    s.len()
}

/// Length of the quoted text at the start of `s`, quotes included.
fn quoted_len(s: &str) -> usize {
    let mut escaped = false;
    for (i, c) in s.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    s.len()
}

fn spell_word<'a>(word: &str, package_name: impl Fn(&str) -> Option<&'a str>) -> String {
    // Types declared inside functions are numbered: `main.T·1`.
    let word = word.split('·').next().unwrap_or(word);
    let slash = word.rfind('/').map_or(0, |i| i + 1);
    let Some(dot) = word
        .get(slash..)
        .and_then(|w| w.find('.'))
        .map(|i| i + slash)
    else {
        return word.to_owned();
    };
    let (path, name) = word.split_at(dot);
    let path = unescape(path);
    match package_name(&path) {
        Some(package) => format!("{package}{name}"),
        None => format!("{}{name}", likely_name(&path)),
    }
}

fn local_suffix_stripped(after: &str) -> &str {
    match after.strip_prefix('·') {
        Some(number) => number.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => after,
    }
}

/// The name that a package most likely has: the last element of its path that is not a major version.
fn likely_name(path: &str) -> &str {
    let is_version = |s: &str| {
        s.strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut elements = path.rsplit('/');
    let last = elements.next().unwrap_or(path);
    let name = if is_version(last) {
        elements.next().unwrap_or(last)
    } else {
        last
    };
    // gopkg.in/yaml.v3
    name.split_once(".v").map_or(name, |(n, _)| n)
}

/// Undoes `objabi.PathToPrefix`: dots of the last path element and unusual bytes are written as `%xx`.
fn unescape(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = [ahead.next(), ahead.next()];
        let value = match digits {
            [Some(h), Some(l)] if b == b'%' => hex(h).zip(hex(l)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match value {
            Some(v) => {
                out.push(v);
                bytes = ahead;
            }
            None => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(full: &str) -> String {
        spell(full, |path| {
            (path == "example.com/renamed-dir").then_some("other")
        })
    }

    #[test]
    fn import_paths_become_package_names_outside_type_arguments() {
        for (full, want) in [
            ("main.session", "main.session"),
            ("*net/http.Request", "*http.Request"),
            ("map[string]*net/http.Request", "map[string]*http.Request"),
            ("[8]net/http.Header", "[8]http.Header"),
            (
                "sync/atomic.Pointer[net/http.response]",
                "atomic.Pointer[net/http.response]",
            ),
            (
                "map[net/http.K]sync/atomic.Pointer[a/b.T[c/d.U]]",
                "map[http.K]atomic.Pointer[a/b.T[c/d.U]]",
            ),
            (
                "func(net/http.ResponseWriter, *net/http.Request) error",
                "func(http.ResponseWriter, *http.Request) error",
            ),
            (
                "struct { net/http.x int; Y *net/url.URL }",
                "struct { x int; Y *url.URL }",
            ),
            (
                "struct { sync.Mutex; net/http.x int }",
                "struct { sync.Mutex; x int }",
            ),
            (
                "struct { A int \"json:\\\"a/b.c\\\"\" }",
                "struct { A int \"json:\\\"a/b.c\\\"\" }",
            ),
            ("interface { net/http.foo() }", "interface { http.foo() }"),
            ("noalg.map.group[string]int", "map.group[string]int"),
            ("main.T·1", "main.T"),
            (
                "chan net.result[go.shape.int]·1",
                "chan net.result[go.shape.int]",
            ),
            ("gopkg.in/yaml%2ev3.Node", "yaml.Node"),
            ("github.com/jackc/pgx/v5.Conn", "pgx.Conn"),
            ("*example.com/renamed-dir.T", "*other.T"),
            ("hchan<*net/http.Request>", "hchan<*http.Request>"),
            ("struct {}", "struct {}"),
            ("chan<- net/http.ConnState", "chan<- http.ConnState"),
            ("go.shape.*net/http.Request", "go.shape.*http.Request"),
        ] {
            assert_eq!(spelled(full), want, "{full}");
        }
    }

    #[test]
    fn only_declared_types_have_a_package() {
        assert_eq!(package("net/http.Request").as_deref(), Some("net/http"));
        assert_eq!(
            package("gopkg.in/yaml%2ev3.Node").as_deref(),
            Some("gopkg.in/yaml.v3")
        );
        assert_eq!(
            package("sync/atomic.Pointer[net/http.response]").as_deref(),
            Some("sync/atomic")
        );
        assert_eq!(package("*net/http.Request"), None);
        assert_eq!(package("map[string]int"), None);
        assert_eq!(package("int"), None);
    }

    #[test]
    fn damaged_names_end_in_something() {
        for s in [
            "a[",
            "struct { ",
            "\"",
            "]]",
            "%",
            "a%2",
            "a·",
            "[[[[",
            "}}",
            "x[\"",
            "é·é[é",
        ] {
            let _ = spelled(s);
            let _ = package(s);
        }
    }
}
