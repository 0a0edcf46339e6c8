//! Blocks as text. Every text passes through [`printable`] here, and only here.
//!
//! A table that is wider than the terminal is narrowed in this order: columns of words break their
//! lines between words, the last column first; figures, identifiers and commands are never broken.
//! If that is not enough, each row becomes a record with a line for each name and value.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Color, ColumnConstraint, Width};

use super::block::{Block, Cell, Style, Table};
use super::printable;
use super::terminal::Terminal;

/// Renders all blocks, with an empty line between them.
pub(crate) fn render(blocks: &[Block], terminal: Terminal) -> String {
    let mut text = String::new();
    let mut after_title = true;
    for block in blocks {
        if !after_title {
            text.push('\n');
        }
        after_title = matches!(block, Block::Title(_));
        text.push_str(&one(block, terminal));
        text.push('\n');
    }
    text
}

fn one(block: &Block, terminal: Terminal) -> String {
    match block {
        Block::Title(title) if terminal.colored => {
            format!("\u{1b}[1m{}\u{1b}[0m", printable(title))
        }
        Block::Title(text) | Block::Note(text) => printable(text),
        Block::Text(text) => text.lines().map(printable).collect::<Vec<_>>().join("\n"),
        Block::Fields(fields) => render_fields(fields, terminal),
        Block::Table(table) if table.rows.is_empty() => table.empty.to_owned(),
        Block::Table(table) => render_table(table, terminal),
    }
}

fn render_fields(fields: &[(&'static str, Cell)], terminal: Terminal) -> String {
    let width = fields
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    fields
        .iter()
        .map(|(name, cell)| {
            let text = printable(&cell.text);
            match color(cell.style).filter(|_| terminal.colored) {
                Some((_, code)) => format!("{name:width$}  \u{1b}[{code}m{text}\u{1b}[0m"),
                None => format!("{name:width$}  {text}"),
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn render_table(table: &Table, terminal: Terminal) -> String {
    match terminal.width.map(|width| fitted(table, width.into())) {
        None => render_rows(table, terminal, None),
        Some(Some(widths)) => render_rows(table, terminal, Some(&widths)),
        Some(None) => render_records(table, terminal),
    }
}

/// The columns with texts to copy, which stay in one line.
const COPIED: [&str; 3] = ["What to do", "Statement", "Command"];

/// The least width of a column of words, unless its longest word is longer.
const WORDS_WIDTH_MIN: usize = 16;

/// Returns the width of each column's texts in a terminal of this width; none when the table does
/// not fit.
fn fitted(table: &Table, width: usize) -> Option<Vec<usize>> {
    const PADDING: usize = 3;
    let widest = |number: usize, measure: fn(&str) -> usize| {
        let name = table
            .columns
            .get(number)
            .map_or(0, |column| measure(column.name));
        let cells = table.rows.iter().filter_map(|row| row.get(number));
        let texts = cells.map(|cell| measure(&printable(&cell.text)));
        texts.max().unwrap_or_default().max(name)
    };
    let columns = 0..table.columns.len();
    let mut widths: Vec<usize> = columns.map(|number| widest(number, text_width)).collect();
    let whole = widths.iter().map(|width| width + PADDING).sum::<usize>() + 1;
    let mut excess = whole.saturating_sub(width);
    for (number, column) in table.columns.iter().enumerate().rev() {
        let Some(natural) = widths.get_mut(number) else {
            continue;
        };
        if column.right || COPIED.contains(&column.name) {
            continue;
        }
        let least = widest(number, longest_word)
            .max(WORDS_WIDTH_MIN)
            .min(*natural);
        let given = excess.min(*natural - least);
        *natural -= given;
        excess -= given;
    }
    (excess == 0).then_some(widths)
}

/// Returns the width on a terminal, where some characters take two columns.
fn text_width(text: &str) -> usize {
    ratatui::text::Span::raw(text).width()
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(text_width).max().unwrap_or_default()
}

/// Renders each row as a list of names and values, with an empty line between rows.
fn render_records(table: &Table, terminal: Terminal) -> String {
    let records = table.rows.iter().map(|row| {
        let names = table.columns.iter().map(|column| column.name);
        let fields: Vec<_> = names.zip(row.iter().cloned()).collect();
        render_fields(&fields, terminal)
    });
    records.collect::<Vec<_>>().join("\n\n")
}

fn render_rows(table: &Table, terminal: Terminal, widths: Option<&[usize]>) -> String {
    let mut shown = comfy_table::Table::new();
    shown.load_style(UTF8_FULL_CONDENSED);
    if terminal.colored {
        shown.enforce_styling();
    } else {
        shown.force_no_tty();
    }
    shown.set_header(table.columns.iter().map(|column| column.name));
    for row in &table.rows {
        shown.add_row(row.iter().map(|cell| {
            let shown = comfy_table::Cell::new(printable(&cell.text));
            match color(cell.style) {
                Some((color, _)) => shown.fg(color),
                None => shown,
            }
        }));
    }
    for (number, width) in widths.unwrap_or_default().iter().enumerate() {
        let width = u16::try_from(*width).unwrap_or(u16::MAX).saturating_add(2);
        if let Some(shown) = shown.column_mut(number) {
            shown.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    for (number, column) in table.columns.iter().enumerate() {
        if let Some(shown) = shown.column_mut(number).filter(|_| column.right) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    shown.trim_fmt()
}

/// Returns the colour for the table's library, and its code for the terminal.
const fn color(style: Style) -> Option<(Color, &'static str)> {
    match style {
        Style::Plain => None,
        Style::Good => Some((Color::Green, "32")),
        Style::Warning => Some((Color::Yellow, "33")),
        Style::Bad => Some((Color::Red, "31")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::cell;
    use super::*;

    const PLAIN: Terminal = Terminal {
        colored: false,
        width: None,
    };

    fn sample() -> Vec<Block> {
        let mut table = Table::new(&["Account", ">Amount"], "no accounts");
        table.row([cell("a\u{1b}[2J"), cell("1.00 CZK")]);
        table.row([cell("b"), cell("-1000.00 CZK").style(Style::Bad)]);
        vec![
            Block::Title("Accounts".to_owned()),
            Block::Table(table),
            Block::Fields(vec![
                ("status", cell("ok").style(Style::Good)),
                ("n", cell(1)),
            ]),
            Block::Table(Table::new(&["Nothing"], "nothing is there")),
        ]
    }

    #[test]
    fn amounts_are_aligned_right_and_control_characters_escaped() {
        let text = render(&sample(), PLAIN);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(
            text,
            "Accounts\n\
             ┌────────────┬──────────────┐\n\
             │ Account    ┆       Amount │\n\
             ╞════════════╪══════════════╡\n\
             │ a\\u{1b}[2J ┆     1.00 CZK │\n\
             │ b          ┆ -1000.00 CZK │\n\
             └────────────┴──────────────┘\n\
             \n\
             status  ok\n\
             n       1\n\
             \n\
             nothing is there\n"
        );
    }

    fn wide() -> Block {
        let mut table = Table::new(&["Name", ">Size", "Why", "What to do"], "none");
        table.row([
            cell("accounts_customer_id"),
            cell("12 MiB"),
            cell("no statement has used it since the last reset"),
            cell("DROP INDEX CONCURRENTLY banking.accounts_customer_id;"),
        ]);
        Block::Table(table)
    }

    fn at(width: u16) -> String {
        let terminal = Terminal {
            width: Some(width),
            ..PLAIN
        };
        render(&[wide()], terminal)
    }

    #[test]
    fn words_wrap_before_figures_and_commands() {
        let text = at(120);
        assert!(text.contains("DROP INDEX CONCURRENTLY banking.accounts_customer_id;"));
        assert!(text.lines().all(|line| text_width(line) <= 120), "{text}");
        for word in ["accounts_customer_id", "12 MiB", "statement", "reset"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn narrow_terminal_gets_records_with_whole_values() {
        assert_eq!(
            at(80),
            "Name        accounts_customer_id\n\
             Size        12 MiB\n\
             Why         no statement has used it since the last reset\n\
             What to do  DROP INDEX CONCURRENTLY banking.accounts_customer_id;\n"
        );
    }

    #[test]
    fn colours_are_used_only_on_request() {
        let colored = Terminal {
            colored: true,
            ..PLAIN
        };
        let text = render(&sample(), colored);
        assert!(text.contains("\u{1b}[32mok\u{1b}[0m"), "{text:?}");
        assert!(text.contains("a\\u{1b}[2J"), "{text:?}");
        assert!(
            text.contains("\u{1b}[38;5;9m -1000.00 CZK \u{1b}[39m"),
            "{text:?}"
        );
    }
}
