//! The blocks of an output as HTML.

use maud::{Markup, html};

use crate::output::{Block, Cell, Column, Style, Table, printable};

pub(super) fn block(block: &Block) -> Markup {
    match block {
        Block::Title(text) => html! { h3 { (printable(text)) } },
        Block::Note(text) => html! { p { (printable(text)) } },
        Block::Text(text) => html! { pre { @for line in text.lines() { (printable(line)) "\n" } } },
        Block::Fields(fields) => html! {
            dl { @for (name, cell) in fields { dt { (name) } dd class=(class(cell)) { (printable(&cell.text)) } } }
        },
        Block::Table(table) if table.rows.is_empty() => html! { p { (table.empty) } },
        Block::Table(table) => rows(table),
    }
}

/// The columns with long texts, which are shown below their row, across the whole width of the
/// page.
const LONG: [&str; 2] = ["What to do", "Statement"];

fn rows(table: &Table) -> Markup {
    let is_long = |column: &&Column| LONG.contains(&column.name);
    let short = || table.columns.iter().filter(|column| !is_long(column));
    let width = short().count();
    html! {
        div class="wide" tabindex="0" {
            table {
                thead { tr { @for column in short() { th scope="col" class=[column.right.then_some("right")] { (column.name) } } } }
                @for row in &table.rows {
                    tbody {
                        tr {
                            @for (column, cell) in table.columns.iter().zip(row).filter(|(column, _)| !is_long(column)) {
                                td data-name=(column.name) class=(format!("{} {}", if column.right { "right" } else { "" }, class(cell))) { (printable(&cell.text)) }
                            }
                        }
                        @for (column, cell) in table.columns.iter().zip(row).filter(|(column, cell)| is_long(column) && cell.text != "-") {
                            tr class="below" { td colspan=(width) { span class="name" { (column.name) } " " span class=(class(cell)) { (printable(&cell.text)) } } }
                        }
                    }
                }
            }
        }
    }
}

const fn class(cell: &Cell) -> &'static str {
    match cell.style {
        Style::Plain => "plain",
        Style::Good => "good",
        Style::Warning => "warning",
        Style::Bad => "bad",
    }
}
