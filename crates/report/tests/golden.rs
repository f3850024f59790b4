//! Whole renderings, compared with the files in `golden/`. `LEAKSCOPE_BLESS=1` writes them anew.

mod samples;

use leakscope_report::{Page, Render};
use unicode_width::UnicodeWidthStr;

fn documents() -> [(&'static str, Box<dyn Render>); 17] {
    [
        ("analyze", Box::new(samples::analyze())),
        ("diff", Box::new(samples::diff())),
        ("doctor", Box::new(samples::doctor())),
        ("explain", Box::new(samples::explain())),
        ("goroutines", Box::new(samples::goroutines())),
        ("histo", Box::new(samples::histo())),
        ("ledger", Box::new(samples::ledger())),
        ("maps", Box::new(samples::maps_doc())),
        ("ps", Box::new(samples::ps())),
        ("rule", Box::new(samples::rule())),
        ("simulate", Box::new(samples::simulate())),
        ("sites", Box::new(samples::sites())),
        ("snap", Box::new(samples::snap())),
        ("threads", Box::new(samples::threads())),
        ("top", Box::new(samples::top(3))),
        ("top-one", Box::new(samples::top(1))),
        ("why", Box::new(samples::why())),
    ]
}

/// The rendering without our own styles: the only escape sequences that may be there.
fn plain(styled: &str) -> String {
    let mut plain = String::new();
    let mut rest = styled;
    while let Some((before, sequence)) = rest.split_once("\x1b[") {
        let (style, after) = sequence.split_once('m').expect("a style ends with m");
        assert!(
            style.chars().all(|c| c.is_ascii_digit() || c == ';'),
            "not a style: {style:?}"
        );
        plain.push_str(before);
        rest = after;
    }
    plain + rest
}

#[test]
fn every_rendering_is_as_reviewed() {
    for (name, document) in documents() {
        let page = Page {
            columns: 80,
            limit: Some(3),
        };
        let got = plain(&document.render(&page));
        let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("LEAKSCOPE_BLESS").is_some() {
            std::fs::write(&path, &got).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn no_line_is_wider_than_the_page() {
    for (name, document) in documents() {
        for columns in [80, 100, 132, 200] {
            for line in plain(&document.render(&Page {
                columns,
                limit: None,
            }))
            .lines()
            {
                assert!(line.width() <= columns, "{name} at {columns}: {line}");
            }
        }
    }
}

/// Characters of the hostile name that may never be printed.
const HOSTILE: [char; 4] = ['\u{200b}', '\u{202e}', '\u{7}', '\u{1b}'];

#[test]
fn nothing_in_a_rendering_but_our_own_styles_drives_a_terminal() {
    for (name, document) in documents() {
        let text = plain(&document.render(&Page {
            columns: 80,
            limit: None,
        }));
        for c in text.chars().filter(|c| *c != '\n') {
            assert!(!c.is_control() && !HOSTILE.contains(&c), "{name}: {c:?}");
        }
    }
}
