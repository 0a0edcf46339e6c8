//! The blocks of a text output. Their texts come from the database as they are, and are escaped
//! only when they are printed.

use neobank_ops::checks::Severity;

/// One block of an output.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// The title of the following blocks.
    Title(String),
    /// A sentence.
    Note(String),
    /// Verbatim lines, such as SQL.
    Text(String),
    /// Names with a value each.
    Fields(Vec<(&'static str, Cell)>),
    /// Rows.
    Table(Table),
}

/// Rows below a header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The text of a table without rows.
    pub(crate) empty: &'static str,
}

/// A column's name and alignment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) right: bool,
}

/// One text with its style.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// The style of a text: a colour on a terminal that has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// No emphasis.
    Plain,
    /// No problem.
    Good,
    /// A warning.
    Warning,
    /// A problem.
    Bad,
}

impl From<Severity> for Style {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok => Self::Good,
            Severity::Unknown | Severity::Warning => Self::Warning,
            Severity::Critical => Self::Bad,
        }
    }
}

impl Style {
    /// Returns the style of a text that is plain unless it needs attention.
    pub(crate) fn attention(severity: Severity) -> Self {
        match severity {
            Severity::Ok => Self::Plain,
            other => other.into(),
        }
    }
}

impl Table {
    /// Creates a table of these columns; those whose name begins with `>` are aligned right.
    pub(crate) fn new(columns: &[&'static str], empty: &'static str) -> Self {
        let column = |name: &&'static str| match name.strip_prefix('>') {
            Some(name) => Column { name, right: true },
            None => Column { name, right: false },
        };
        Self {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            empty,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// Creates a text without a style.
pub(crate) fn cell(text: impl ToString) -> Cell {
    Cell {
        text: text.to_string(),
        style: Style::Plain,
    }
}

/// Creates a text, or a dash where there is none.
pub(crate) fn optional(text: Option<impl ToString>) -> Cell {
    text.map_or_else(|| cell("-"), cell)
}

/// Creates a text that people wrote, or a dash where it has nothing but spaces.
pub(crate) fn text(text: &str) -> Cell {
    optional(Some(text).filter(|text| !text.trim().is_empty()))
}

impl Cell {
    /// Returns the same text with a style.
    pub(crate) const fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}
