//! A printed statement.

use chrono::NaiveDate;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use neobank_db::Database;
use neobank_domain::accounts;
use neobank_domain::statements::{self, StatementRequest};

use super::heading;
use super::replay::Replayed;

/// The number of printed entries.
const ENTRIES: u32 = 14;

pub(super) async fn show(database: &Database, replayed: &Replayed) -> anyhow::Result<()> {
    let (account_id, source) = &replayed.shown;
    let Some(account) = accounts::find(database, *account_id).await? else {
        return Ok(());
    };
    heading(&format!(
        "Statement of account {} ({source} in the source), 1993",
        account.account_number
    ));
    let (from, to) = (
        NaiveDate::from_ymd_opt(1993, 1, 1),
        NaiveDate::from_ymd_opt(1994, 1, 1),
    );
    let mut request = StatementRequest::between(from.unwrap_or_default(), to.unwrap_or_default());
    request.limit = ENTRIES;
    let page = statements::page(database, *account_id, &request).await?;

    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["Date", "No.", "Description", "Amount", "Balance"]);
    for entry in &page.entries {
        table.add_row([
            entry.posted_at.format("%Y-%m-%d").to_string(),
            entry.entry_number.to_string(),
            entry.description.clone(),
            entry.movement().amount().to_string(),
            entry.running_balance.amount().to_string(),
        ]);
    }
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    let more = if page.next.is_some() {
        "the newest entries of the year are shown; "
    } else {
        ""
    };
    println!(
        "  {more}opening balance {}, closing balance {}, {} entries in all",
        page.opening_balance, page.closing_balance, account.last_entry_number
    );
    Ok(())
}
