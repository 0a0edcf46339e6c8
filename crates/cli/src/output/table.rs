//! Blocks as text. Every text goes through [`printable`] here, and nowhere else.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Color, ContentArrangement};

use super::block::{Block, Cell, Mood, Table};
use super::printable::printable;
use super::terminal::Terminal;

/// All blocks, with an empty line between them.
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
            match color(cell.mood).filter(|_| terminal.colored) {
                Some((_, code)) => format!("{name:width$}  \u{1b}[{code}m{text}\u{1b}[0m"),
                None => format!("{name:width$}  {text}"),
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn render_table(table: &Table, terminal: Terminal) -> String {
    let mut shown = comfy_table::Table::new();
    shown.load_style(UTF8_FULL_CONDENSED);
    if terminal.colored {
        shown.enforce_styling();
    } else {
        shown.force_no_tty();
    }
    if terminal.wraps {
        shown.set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width() {
            shown.set_width(width);
        }
    }
    shown.set_header(table.columns.iter().map(|column| column.name));
    for row in &table.rows {
        shown.add_row(row.iter().map(|cell| {
            let shown = comfy_table::Cell::new(printable(&cell.text));
            match color(cell.mood) {
                Some((color, _)) => shown.fg(color),
                None => shown,
            }
        }));
    }
    for (number, column) in table.columns.iter().enumerate() {
        if let Some(shown) = shown.column_mut(number).filter(|_| column.right) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    shown.trim_fmt()
}

/// The terminal's width, as it is now.
fn width() -> Option<u16> {
    crossterm::terminal::size().ok().map(|(columns, _)| columns)
}

/// As the table's library and as the terminal names it.
const fn color(mood: Mood) -> Option<(Color, &'static str)> {
    match mood {
        Mood::Plain => None,
        Mood::Good => Some((Color::Green, "32")),
        Mood::Warning => Some((Color::Yellow, "33")),
        Mood::Bad => Some((Color::Red, "31")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::cell;
    use super::*;

    const PLAIN: Terminal = Terminal {
        colored: false,
        wraps: false,
    };

    fn sample() -> Vec<Block> {
        let mut table = Table::new(&["Account", ">Amount"], "no accounts");
        table.row([cell("a\u{1b}[2J"), cell("1.00 CZK")]);
        table.row([cell("b"), cell("-1000.00 CZK").mood(Mood::Bad)]);
        vec![
            Block::Title("Accounts".to_owned()),
            Block::Table(table),
            Block::Fields(vec![
                ("status", cell("ok").mood(Mood::Good)),
                ("n", cell(1)),
            ]),
            Block::Table(Table::new(&["Nothing"], "nothing is there")),
        ]
    }

    #[test]
    fn amounts_keep_to_the_right_and_nothing_steers_the_terminal() {
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

    #[test]
    fn colours_come_only_when_they_are_wanted() {
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
