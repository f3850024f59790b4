//! The page of a pattern: what people read about it.

/// A page of `docs/patterns`, compiled in, so that there is one text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    text: &'static str,
}

impl Page {
    /// The page with this text: a heading `# ID: title`, then sections.
    pub(crate) const fn of(text: &'static str) -> Self {
        Self { text }
    }

    /// All of it, as Markdown.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The id in its heading.
    pub fn id(&self) -> &'static str {
        self.heading().0
    }

    /// What it is about, in a few words.
    pub fn title(&self) -> &'static str {
        self.heading().1
    }

    /// The headings of its sections.
    pub fn sections(&self) -> impl Iterator<Item = &'static str> {
        self.text.lines().filter_map(|l| l.strip_prefix("## "))
    }

    fn heading(&self) -> (&'static str, &'static str) {
        let first = self.text.lines().next().unwrap_or_default();
        let heading = first.strip_prefix("# ").unwrap_or_default();
        heading.split_once(": ").unwrap_or_default()
    }
}
