//! The blocks of an answer as HTML.

use maud::{Markup, html};

use crate::output::{Block, Cell, Mood, Table, printable};

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

fn rows(table: &Table) -> Markup {
    html! {
        div class="wide" tabindex="0" {
            table {
                thead { tr { @for column in &table.columns { th scope="col" class=[column.right.then_some("right")] { (column.name) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in table.columns.iter().zip(row) {
                                td class=(format!("{} {}", if column.right { "right" } else { "" }, class(cell))) { (printable(&cell.text)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn class(cell: &Cell) -> &'static str {
    match cell.mood {
        Mood::Plain => "plain",
        Mood::Good => "good",
        Mood::Warning => "warning",
        Mood::Bad => "bad",
    }
}
